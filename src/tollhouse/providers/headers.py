"""The header policy, both ways, as data: what goes on to a host, and what of its answer comes back.

Whatever is not named here stays here: cookies, the caller's own credential, `openai-organization` and
`openai-project` (they belong to the credential), what a client says of itself, tracing. Of an answer, one
thing comes back, under a name of the gateway's own: the id by which the host knows the request. Its rate
limits do not, for they are those of the provider's account, which all callers share, and a client that
obeyed them would wait for the wrong thing; `retry-after` is passed on with errors, bounded.
"""

from collections.abc import Mapping

_ANTHROPIC = frozenset({"anthropic-version", "anthropic-beta"})
_OPENAI = frozenset({"openai-beta"})
_NONE = frozenset[str]()

TRACE = frozenset({"traceparent", "tracestate"})
"""Only for providers that a setting names are these in a call; a caller's own never are."""

FORWARDED: Mapping[str, frozenset[str]] = {
    "messages": _ANTHROPIC,
    "count_tokens": _ANTHROPIC,
    "chat": _OPENAI,
    "responses": _OPENAI,
}
"""By the format that is spoken to the host: the caller's headers that go on, in lower case."""

DEFAULTS: Mapping[str, Mapping[str, str]] = {
    # The API refuses a request without one. https://docs.anthropic.com/en/api/versioning
    "messages": {"anthropic-version": "2023-06-01"},
    "count_tokens": {"anthropic-version": "2023-06-01"},
}
"""By format: what a request has, unless the caller's own header of that name takes its place."""

JSON = "application/json"
ACCEPTED: Mapping[str, str] = {"speech": "*/*", "transcriptions": "*/*", "translations": "*/*"}
"""By format: what is asked for, where that is not JSON or a stream of it."""

UPSTREAM_REQUEST_ID = "x-tollhouse-upstream-request-id"

_REQUEST_IDS = (
    "apim-request-id",  # Azure, which sends `x-request-id` too, but asks for this one in support cases
    "request-id",  # Anthropic
    "x-request-id",  # OpenAI, Groq, vLLM and most others
    "x-amzn-requestid",  # Bedrock
    "x-generation-id",  # OpenRouter
    "mistral-correlation-id",
    "x-ds-trace-id",  # DeepSeek
)
_LONGEST_ID = 200


def forwarded(spoken: str, given: Mapping[str, str]) -> dict[str, str]:
    """The caller's headers that go on in a request of this format. Names in any case."""
    if not given:
        return {}
    names = FORWARDED.get(spoken, _NONE) | TRACE
    return {lower: value for name, value in given.items() if (lower := name.lower()) in names}


def returned(headers: Mapping[str, str]) -> dict[str, str]:
    """What of a host's answer its caller may see. Names in lower case."""
    for name in _REQUEST_IDS:
        value = headers.get(name, "")
        if value and len(value) <= _LONGEST_ID and value.isascii() and value.isprintable():
            return {UPSTREAM_REQUEST_ID: value}
    return {}
