"""A host's failure under a status of success, in OpenAI's shapes."""

from typing import Any

from tollhouse.wire import json_text

NOT_JSON = "The provider sent something that is not JSON."
NO_ANSWER = "The provider ended its answer without one."
BROKE_OFF = "The provider broke its answer off."

_CODES = frozenset({"server_error", "rate_limit_exceeded", "invalid_prompt"})
_BY_STATUS = {400: "invalid_prompt", 413: "invalid_prompt", 422: "invalid_prompt", 429: "rate_limit_exceeded"}
_BY_TYPE = {"rate_limit_error": "rate_limit_exceeded", "invalid_request_error": "invalid_prompt"}


def error_of(error: Any) -> dict[str, str]:
    """The `error` of a failed response. What the host says is an object, or no more than a text."""
    if isinstance(error, str) and error:
        return {"code": "server_error", "message": error}
    if not isinstance(error, dict):
        return {"code": "server_error", "message": BROKE_OFF}
    message, code, kind = error.get("message"), error.get("code"), error.get("type")
    return {
        "code": _code(code) or _code(kind) or "server_error",
        "message": message if isinstance(message, str) and message else BROKE_OFF,
    }


def error_document(error: Any) -> bytes:
    """An answer that is none."""
    told = error_of(error)
    document = {"message": told["message"], "type": "api_error", "param": None, "code": told["code"]}
    return json_text.write({"error": document})


def _code(told: Any) -> str | None:
    """OpenAI says a word, OpenRouter and vLLM the status that it would have been."""
    if isinstance(told, int):
        return _BY_STATUS.get(told)
    if not isinstance(told, str):
        return None
    return told if told in _CODES else _BY_TYPE.get(told)
