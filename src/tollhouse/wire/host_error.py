"""What a host says when it fails, read without trust from whatever shape it has, and told in either vendor's."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LONGEST_MESSAGE = 1000
"""Characters of another's message that are passed on."""
OVERLOADED = (503, 529)

_LONGEST_WORD = 100
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
"""Anthropic's words for what goes wrong. https://platform.claude.com/docs/en/api/errors"""
_STATUS_OF = {
    **{kind: status for status, kind in _BY_STATUS.items() if status not in (408, 503)},
    "api_error": 500,
    # OpenAI's. https://developers.openai.com/api/docs/guides/error-codes
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "model_not_found": 404,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "server_error": 500,
    "server_is_overloaded": 503,
    "service_unavailable_error": 503,
    "slow_down": 503,
}
_TOO_LONG = "prompt is too long"
"""How Anthropic's message begins, and what its clients look for, as OpenAI's do for the code."""
_TOO_LONG_CODE = "context_length_exceeded"
_CODES = {404: "model_not_found", 429: "rate_limit_exceeded", 503: "server_is_overloaded", 529: "server_is_overloaded"}
"""OpenAI's codes, for hosts that say none."""
_FIELD = re.compile(r"([a-z_]+(?:\.[A-Za-z0-9_]+)*): ")
"""The field that a message of Anthropic's begins with, as `messages.0.content.1.text: `."""


@dataclass(frozen=True, slots=True)
class HostError:
    """`status` is what the host answered with, or would have; `param` is the field, as OpenAI spells a path; "" is what
    was not told.
    """

    status: int
    message: str = ""
    param: str = ""
    code: str = ""

    @property
    def openai_code(self) -> str:
        """The code as OpenAI's clients know it; "" where there is none."""
        if self.code:
            return self.code
        return _TOO_LONG_CODE if _TOO_LONG in self.message else _CODES.get(self.status, "")

    @property
    def anthropic_message(self) -> str:
        """The message with the field before it, as Anthropic's has it: there is no other place."""
        message = self.message
        if self.code == _TOO_LONG_CODE and _TOO_LONG not in message:
            message = f"{_TOO_LONG}: {message}"
        return message if not self.param or self.param in message else f"{self.param}: {message}"

    def as_openai(self, otherwise: str) -> dict[str, Any]:
        """The error object in a document or event of OpenAI's. `otherwise` is said where the host said nothing."""
        return {
            "message": self.message or otherwise,
            "type": openai_type(self.status),
            "param": self.param or None,
            "code": self.openai_code or None,
        }

    def as_anthropic(self, otherwise: str, request_id: str) -> dict[str, Any]:
        """The document or event of Anthropic's."""
        error = {"type": anthropic_type(self.status), "message": self.anthropic_message or otherwise}
        return {"type": "error", "error": error, "request_id": request_id}


def openai_type(status: int) -> str:
    """OpenAI's word for what goes wrong."""
    words = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    return words.get(status, "invalid_request_error" if status < 500 else "server_error")


def anthropic_type(status: int) -> str:
    """Anthropic's word for what goes wrong."""
    return _BY_STATUS.get(status, "invalid_request_error" if status < 500 else "api_error")


def read_host_error(document: Any, status: int | None = None) -> HostError:
    """What a document or event says of a failure. Without a `status` it is told by the words; 500 by default."""
    if isinstance(document, list) and document:
        document = document[0]  # Gemini's
    whole: Mapping[str, Any] = document if isinstance(document, dict) else {}
    given = whole.get("error", document if isinstance(document, str) else None)
    error: Mapping[str, Any] = given if isinstance(given, dict) else whole
    message = _text(given) or _text(error.get("message")) or _text(whole.get("message")) or _text(whole.get("detail"))
    details = _details(error.get("message")) or _details(whole.get("detail"))
    if details:
        message = message or "; ".join(_text(detail.get("msg")) for detail in details if detail.get("msg"))
    param = _text(error.get("param")) or _path(details[0].get("loc") if details else None)
    if not param and whole.get("type") == "error" and (named := _FIELD.match(message)):
        param = _path(named[1].split("."))
    code, kind = error.get("code"), _text(error.get("type"))
    if status is None:
        status = _status(code, kind)
    return HostError(status, message[:LONGEST_MESSAGE], param[:_LONGEST_WORD], _text(code)[:_LONGEST_WORD])


def _status(code: Any, kind: str) -> int:
    """OpenAI and Anthropic say a word, OpenRouter and vLLM the status that it would have been."""
    if type(code) is int and 400 <= code < 600:
        return code
    return _STATUS_OF.get(_text(code)) or _STATUS_OF.get(kind, 500)


def _details(given: Any) -> Sequence[Mapping[str, Any]]:
    """The complaints of a host that checks with pydantic, as FastAPI writes them, or Mistral around them."""
    if isinstance(given, dict):
        given = given.get("detail")
    return [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []


def _path(steps: Any) -> str:
    """`messages[0].content`, of its steps."""
    steps = [step for step in steps if isinstance(step, (str, int))] if isinstance(steps, list) else []
    told = [f"[{step}]" if str(step).isdigit() else f".{step}" for step in steps if step != "body"]
    return "".join(told).removeprefix(".")


def _text(given: Any) -> str:
    return given.strip() if isinstance(given, str) else ""
