"""What a host wants back in the next request, in the one place where a Responses client keeps it: the encrypted content
of a reasoning item.

Hosts give thoughts under names of their own, with signed details (OpenRouter's `reasoning_details`), as signed blocks
(`thinking_blocks`, as hosts of Messages behind this gateway do), or sign their tool calls (Gemini's `extra_content`).
They get them back only under the same model's name: others refuse what they do not know. It is told whether or not the
client asks for encrypted content: without it a host may refuse the next turn.
"""

import base64
import binascii
import dataclasses
from collections.abc import Mapping
from typing import Any

from tollhouse.domain.errors import InvalidJSON
from tollhouse.wire import json_text

_MARK = "rs1."
_FIELDS = ("reasoning_content", "reasoning")
CONTENT = "content"
"""Where thoughts come by as parts of the content, as Mistral's do."""


@dataclasses.dataclass(slots=True)
class Sealed:
    """`field` is the one that the thoughts' text came by, in `pieces`; `calls` has what belongs to tool calls, by their
    ids.
    """

    field: str = ""
    pieces: list[str] = dataclasses.field(default_factory=list)
    details: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    blocks: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    calls: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def __bool__(self) -> bool:
        """Whether there is anything that no text tells."""
        return bool(self.details or self.blocks or self.calls)

    def take(self, message: Mapping[str, Any]) -> None:
        """The details and blocks of a message, or of a delta: pieces of one are joined."""
        for detail in _objects(message.get("reasoning_details")):
            last = self.details[-1] if self.details else {}
            if detail.get("index") is None or any(last.get(key) != detail.get(key) for key in ("index", "type")):
                self.details.append(dict(detail))
            else:
                _join(last, detail, ("text", "summary", "data"))
        for piece in _objects(message.get("thinking_blocks")):
            block = {name: value for name, value in piece.items() if name != "index"}
            before = self.blocks[-1] if self.blocks else {}
            if block.get("type") == before.get("type") == "thinking" and not before.get("signature"):
                _join(before, block, ("thinking",))
            else:
                self.blocks.append(block)

    def write(self, model: str) -> str:
        """ASCII that a client keeps and returns."""
        # Details and blocks say the text themselves.
        text = "" if self.details or self.blocks else self.text
        told: dict[str, Any] = {
            "model": model,
            "field": self.field,
            "text": text,
            "details": self.details,
            "blocks": self.blocks,
        }
        told["calls"] = self.calls
        written = json_text.write({name: value for name, value in told.items() if value})
        return _MARK + base64.urlsafe_b64encode(written).decode()


def unseal(text: Any, model: str) -> Sealed | None:
    """What was sealed for this model; None where somebody else wrote the text, or another model's host did."""
    if not is_sealed(text):
        return None
    try:
        told = json_text.read_object(base64.urlsafe_b64decode(text.removeprefix(_MARK)))
    except (binascii.Error, ValueError, InvalidJSON):
        return None
    field, said, calls = told.get("field", ""), told.get("text", ""), told.get("calls", {})
    if told.get("model") != model or field not in ("", CONTENT, *_FIELDS):
        return None
    if not isinstance(said, str) or not isinstance(calls, dict):
        return None
    return Sealed(field, [said], _objects(told.get("details")), _objects(told.get("blocks")), calls)


def thought(message: Mapping[str, Any]) -> tuple[str, str] | None:
    """The field of a message or delta that has thoughts, and they. Some hosts say them in both."""
    for name in _FIELDS:
        if isinstance(text := message.get(name), str) and text:
            return name, text
    return None


def is_sealed(text: Any) -> bool:
    """Whether this was sealed here: no other host can decrypt it, and some refuse it."""
    return isinstance(text, str) and text.startswith(_MARK)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _join(whole: dict[str, Any], piece: Mapping[str, Any], texts: tuple[str, ...]) -> None:
    for name, value in piece.items():
        if name in texts and isinstance(value, str) and isinstance(whole.get(name), str):
            whole[name] += value
        elif value is not None:
            whole[name] = value
