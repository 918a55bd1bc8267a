"""What may be tried again when an attempt failed before its first byte went out: a table.

Never a bug of ours: what is no UpstreamError is not looked up here. Never a 400: it would be one again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tollhouse.domain.errors import (
    DeploymentFull,
    DeploymentResting,
    KeysResting,
    UpstreamError,
    UpstreamGone,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamRejected,
    UpstreamTimeout,
)


@dataclass(frozen=True, slots=True)
class Again:
    """`here`: at the same deployment, after a pause. `elsewhere`: at the next one, at once. `breaks`: it counts against
    the deployment, which rests after some in a row.
    """

    here: bool
    elsewhere: bool
    breaks: bool


NEVER = Again(here=False, elsewhere=False, breaks=False)
_PASSES = Again(here=True, elsewhere=True, breaks=False)
_FAILS = Again(here=True, elsewhere=True, breaks=True)
_NOT_HERE = Again(here=False, elsewhere=True, breaks=False)
_NOT_HERE_FAILS = Again(here=False, elsewhere=True, breaks=True)

BY_STATUS: Mapping[int, Again] = {
    401: _NOT_HERE,  # The provider's credential, which another has not.
    402: _NOT_HERE,
    403: _NOT_HERE,
    408: _PASSES,
    409: _PASSES,
    425: _PASSES,
    429: _PASSES,
    500: _FAILS,
    501: _NOT_HERE,
    502: _FAILS,
    503: _FAILS,
    504: _FAILS,
    505: _NOT_HERE,
    529: _FAILS,
}
"""Of a provider's answer; other statuses from 500 up are as 500, others below it never tried again."""

BY_ERROR: Mapping[type[UpstreamError], Again] = {
    UpstreamRefused: _FAILS,
    UpstreamGone: _FAILS,
    UpstreamTimeout: _NOT_HERE_FAILS,  # It has taken its time already.
    UpstreamInvalid: _NOT_HERE_FAILS,
    DeploymentFull: _PASSES,
    DeploymentResting: _NOT_HERE,
    KeysResting: _PASSES,
}


def again(error: UpstreamError) -> Again:
    """Whether, and where, an attempt that failed so may be made again."""
    if isinstance(error, UpstreamRejected):
        status = error.upstream_status
        return BY_STATUS.get(status, BY_STATUS[500] if status >= 500 else NEVER)
    return BY_ERROR.get(type(error), NEVER)


Special = Literal["too_long", "refused"]
"""A refusal that another model may not share."""

TOO_LONG = frozenset({"context_length_exceeded", "string_above_max_length"})
REFUSED = frozenset({"content_policy_violation", "content_filter", "moderation_blocked"})
_LONG_WORDS = ("prompt is too long", "maximum context length", "context window", "too many tokens")
_REFUSED_WORDS = ("content management policy", "content filter", "safety system", "usage policies")


def special(status: int, code: str, message: str, inner: Any = None) -> Special | None:
    """What a provider's 400 (or 413, 422) says of the prompt, by its code, else by its words."""
    if status not in (400, 413, 422):
        return None
    codes = {code, inner}
    said = message.lower()
    if codes & TOO_LONG or any(words in said for words in _LONG_WORDS):
        return "too_long"
    if codes & REFUSED or any(words in said for words in _REFUSED_WORDS):
        return "refused"
    return None
