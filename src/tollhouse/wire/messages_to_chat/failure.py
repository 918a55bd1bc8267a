"""A host's failure under a status of success, in Anthropic's shape."""

from collections.abc import Mapping
from typing import Any

from tollhouse.wire import json_text

_BY_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_TYPES = frozenset(_BY_STATUS.values())
NOT_JSON = "The provider sent something that is not JSON."
NO_ANSWER = "The provider ended its answer without one."
BROKE_OFF = "The provider broke its answer off."


def failure(error: Any, request_id: str) -> bytes:
    """An error document. `error` is what the host said: an object, or no more than a text."""
    message, kind = BROKE_OFF, "api_error"
    if isinstance(error, str):
        message = error
    elif isinstance(error, dict):
        message = error["message"] if isinstance(error.get("message"), str) else BROKE_OFF
        kind = _kind(error)
    document = {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}
    return json_text.write(document)


def _kind(error: Mapping[str, Any]) -> str:
    """OpenAI says a word, OpenRouter and vLLM the status that it would have been."""
    word, status = error.get("type"), error.get("code")
    if isinstance(word, str) and word in _TYPES:
        return word
    return _BY_STATUS.get(status, "api_error") if isinstance(status, int) else "api_error"
