"""What a host's headers say of its own rate limits: how long to wait, and what is used up."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 3600.0
"""Seconds that a host may ask for; more is taken for that."""
_LIMITS = (
    # OpenAI's, and those of Groq, Azure and most who speak its format: the time until all is there again, as 6m0s.
    # https://developers.openai.com/api/docs/guides/rate-limits
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("x-ratelimit-remaining-project-tokens", "x-ratelimit-reset-project-tokens"),
    # Anthropic's: moments. https://platform.claude.com/docs/en/api/rate-limits
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
    # OpenRouter's and others': seconds or milliseconds, since now or since 1970.
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
)
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?\Z")
_UNITS = (86_400.0, 3600.0, 60.0, 1.0, 0.001)
_SINCE_1970 = 1e9
_MILLISECONDS_SINCE_1970 = 1e11


def wished_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds after which the host wants to be asked again, as its `retry-after` says; None where it says nothing."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return min(milliseconds / 1000, LONGEST_WAIT)
    text = headers.get("retry-after")
    if text is None:
        return None
    seconds = _number(text)
    if seconds is None:
        seconds = _until_date(text)
    return None if seconds is None else min(seconds, LONGEST_WAIT)


def used_up_for(headers: Mapping[str, str]) -> float | None:
    """Seconds until something is left again of every limit of which nothing is; None where something is left of all."""
    longest: float | None = None
    for remaining, reset in _LIMITS:
        left = headers.get(remaining)
        if left is None or _number(left) != 0:
            continue
        seconds = _until(headers.get(reset, ""))
        if seconds is not None and (longest is None or seconds > longest):
            longest = seconds
    return None if longest is None else min(longest, LONGEST_WAIT)


def _until(text: str) -> float | None:
    number = _number(text)
    if number is not None:
        if number < _SINCE_1970:
            return number
        return max(0.0, (number / 1000 if number >= _MILLISECONDS_SINCE_1970 else number) - _now().timestamp())
    if text and (parts := _DURATION.match(text.strip())):
        return sum(float(part) * unit for part, unit in zip(parts.groups(), _UNITS, strict=True) if part)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - _now().timestamp())


def _until_date(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - _now().timestamp())


def _number(text: str) -> float | None:
    """Not below zero, and no infinity."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < 1e15 else None


def _now() -> datetime:
    return datetime.now(UTC)
