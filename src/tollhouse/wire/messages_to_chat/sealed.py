"""What a host wants back in the next request, in the one place where a Messages client keeps it: a signature.

Hosts give thoughts under names of their own (`reasoning_content`, `reasoning`), with signed details (OpenRouter's
`reasoning_details`), or sign their tool calls (Gemini's `extra_content`); several refuse a conversation that comes back
without. A Messages client returns the `signature` of a thinking block, and the `data` of a redacted one, as they came.
They are returned to the host only under the same model's name: others refuse fields that they do not know. Every
thinking block that this pair makes is sealed, so that a host that checks signatures of its own can be spared them.
"""

import base64
import binascii
import dataclasses
from collections.abc import Mapping
from typing import Any

from tollhouse.domain.errors import InvalidJSON
from tollhouse.wire import json_text

_MARK = "th1."
_THOUGHT_FIELDS = ("reasoning_content", "reasoning")
CONTENT = "content"
"""Where thoughts come by as a part of the content, as Mistral's do."""


@dataclasses.dataclass(slots=True)
class Sealed:
    """`field` is the one that the text of a thinking block came by; `text` is that of thoughts that the client does not
    see; `signed_calls` are by the ids of tool calls.
    """

    field: str = ""
    text: str = ""
    details: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    signed_calls: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether a host wants any of it back."""
        return bool(self.text or self.details or self.signed_calls)

    def hide(self, text: str, field: str) -> None:
        """Take thoughts that are not shown."""
        self.text += text
        self.field = field

    def add_details(self, details: Any) -> None:
        """Those of one delta. Pieces of one detail have its index, and are joined."""
        for detail in details if isinstance(details, list) else ():
            if isinstance(detail, dict):
                last = self.details[-1] if self.details else {}
                if detail.get("index") is None or any(last.get(key) != detail.get(key) for key in ("index", "type")):
                    self.details.append(dict(detail))
                else:
                    _join(last, detail)

    def write(self, model: str) -> str:
        """ASCII that a client keeps and returns."""
        content: dict[str, Any] = {"model": model, "field": self.field, "text": self.text}
        content |= {"details": self.details, "calls": self.signed_calls}
        text = json_text.write({name: value for name, value in content.items() if value})
        return _MARK + base64.urlsafe_b64encode(text).decode()


def is_sealed(text: Any) -> bool:
    """Whether a signature was written here rather than by a host of Messages."""
    return isinstance(text, str) and text.startswith(_MARK)


def unseal(text: Any, model: str) -> Sealed | None:
    """What was sealed for this model; None where somebody else wrote the text, or another model's host did."""
    if not is_sealed(text):
        return None
    try:
        content = json_text.read_object(base64.urlsafe_b64decode(text.removeprefix(_MARK)))
    except (binascii.Error, ValueError, InvalidJSON):
        return None
    if content.get("model") != model:
        return None
    field, text = content.get("field", ""), content.get("text", "")
    details, calls = content.get("details", []), content.get("calls", {})
    if field not in ("", CONTENT, *_THOUGHT_FIELDS) or not isinstance(text, str):
        return None
    if not isinstance(details, list) or not isinstance(calls, dict):
        return None
    return Sealed(field, text, [detail for detail in details if isinstance(detail, dict)], calls)


def shows_thoughts(body: Mapping[str, Any]) -> bool:
    """Whether a Messages request asks for thinking: without it a client reckons with no block of it."""
    thinking = body.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive")


def thought(message: Mapping[str, Any]) -> tuple[str, str] | None:
    """The thoughts of a message or delta, and the field that has them. Some hosts say them in both."""
    for name in _THOUGHT_FIELDS:
        if isinstance(text := message.get(name), str) and text:
            return name, text
    return None


def _join(detail: dict[str, Any], piece: Mapping[str, Any]) -> None:
    for name, value in piece.items():
        if name in ("text", "summary", "data") and isinstance(value, str) and isinstance(detail.get(name), str):
            detail[name] += value
        elif value is not None:
            detail[name] = value
