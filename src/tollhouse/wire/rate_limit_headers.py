"""What is left of a caller's limits, in the headers in which each vendor says it.

https://platform.openai.com/docs/guides/rate-limits, https://docs.anthropic.com/en/api/rate-limits. Limits of input
and output apart, which Anthropic has too, are none that can be set here.
"""

import time

from tollhouse.domain.limits import Standing


def rate_limit_headers(standing: Standing, dialect: str) -> list[tuple[str, str]]:
    """For each kind of limit that applies: how much, what is left of it, and when all of it is there again."""
    headers: list[tuple[str, str]] = []
    for kind, level in (("requests", standing.requests), ("tokens", standing.tokens)):
        if level is None:
            continue
        if dialect == "anthropic":
            prefix, suffix, reset = f"anthropic-ratelimit-{kind}-", "", _moment(level.reset_ms)
        else:
            prefix, suffix, reset = "x-ratelimit-", f"-{kind}", _duration(level.reset_ms)
        headers += (
            (f"{prefix}limit{suffix}", str(level.limit)),
            (f"{prefix}remaining{suffix}", str(level.remaining)),
            (f"{prefix}reset{suffix}", reset),
        )
    return headers


def _duration(milliseconds: int) -> str:
    """As OpenAI writes it: 0s, 120ms, 7.66s, 1m0s."""
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    seconds = f"{rest / 1000:g}s"
    return f"{minutes}m{seconds}" if minutes else seconds


def _moment(milliseconds: int) -> str:
    """RFC 3339, rounded up to a second as Anthropic's are."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(-(-(time.time_ns() // 1_000_000 + milliseconds) // 1000)))
