"""A host's failure under a status of success, in OpenAI's shape."""

from typing import Any

NOT_JSON = "The provider sent something that is not JSON."
NO_ANSWER = "The provider ended its answer without one."
BROKE_OFF = "The provider broke its answer off."


def error_document(told: Any, otherwise: str) -> dict[str, Any]:
    """What the host says is an object, or no more than a text; `otherwise` where it says nothing."""
    fields = told if isinstance(told, dict) else {"message": told}
    message, kind, code = fields.get("message"), fields.get("type"), fields.get("code")
    error = {
        "message": message if isinstance(message, str) and message else otherwise,
        "type": kind if isinstance(kind, str) and kind else "api_error",
        "param": None,
        "code": str(code) if isinstance(code, (str, int)) else None,
    }
    return {"error": error}
