"""Parts of a chat message as blocks of a Messages turn. Nothing is fetched."""

import base64
import binascii
from collections.abc import Collection, Mapping
from typing import Any

from tollhouse.domain.errors import InvalidField
from tollhouse.wire.chat_to_messages.losses import Dropped
from tollhouse.wire.vocabulary import NOT_BASE64

Block = dict[str, Any]

TEXT_ONLY = frozenset({"text"})
SAID = frozenset({"text", "refusal"})
SHOWN = frozenset({"text", "image_url", "file"})

_MARKS = ("cache_control", "prompt_cache_breakpoint")
_PDF = "application/pdf"


def invalid(path: str, complaint: str) -> InvalidField:
    return InvalidField(f"{path}: {complaint}.", param=path)


def items_of(body: Mapping[str, Any], field: str, path: str) -> list[Any]:
    """A field that may be left out, and is a list where it is not."""
    value = body.get(field)
    if not value:
        return []
    if not isinstance(value, list):
        raise invalid(path, "a list is needed")
    return value


def blocks_of(content: Any, path: str, kinds: Collection[str], dropped: Dropped) -> list[Block]:
    """The blocks of a message's content, parts of these kinds allowed. Blank text, which hosts refuse, has none."""
    if content is None:
        return []
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise invalid(path, "a string or a list of parts is needed")
    blocks: list[Block] = []
    for index, part in enumerate(content):
        block = _block(part, f"{path}[{index}]", kinds, dropped)
        mark = mark_of(part, f"{path}[{index}]", dropped)
        if block["type"] == "text" and not block["text"].strip():
            if mark and blocks:
                blocks[-1].setdefault("cache_control", mark)
            continue
        blocks.append({**block, "cache_control": mark} if mark else block)
    return blocks


def mark_of(part: Mapping[str, Any], path: str, dropped: Dropped) -> dict[str, Any] | None:
    """The cache mark of a part, message or tool: Anthropic's own, else OpenAI's as one; None where there is none."""
    if (mark := object_of(part, "cache_control", path)) is not None:
        return mark
    breakpoint = object_of(part, "prompt_cache_breakpoint", path)
    if breakpoint is None:
        return None
    if breakpoint.get("ttl"):
        dropped.note("messages[].content[].prompt_cache_breakpoint.ttl")
    return {"type": "ephemeral"}


def object_of(holder: Mapping[str, Any], name: str, path: str = "") -> dict[str, Any] | None:
    """An object that may be left out, or be false or empty: then it is None."""
    value = holder.get(name)
    if value is None or value is False or value == {}:
        return None
    if not isinstance(value, dict):
        raise invalid(f"{path}.{name}" if path else name, "an object is needed")
    return value


def mark_last(blocks: list[Block], mark: Any) -> None:
    """Put a whole message's mark where Messages has it: on the last block that can bear one."""
    for block in reversed(blocks):
        if mark and block["type"] not in ("thinking", "redacted_thinking"):
            block.setdefault("cache_control", mark)
            return


def _block(part: Any, path: str, kinds: Collection[str], dropped: Dropped) -> Block:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str) or kind not in kinds:
        allowed = ", ".join(sorted(kinds))
        raise invalid(f"{path}.type", f"the provider of this model takes {allowed} here, not {str(kind)[:40]!r}")
    dropped.note_unknown(part, ("type", kind, *_MARKS), "messages[].content[].")
    inner = part.get(kind)
    if kind in SAID:
        if not isinstance(inner, str):
            raise invalid(f"{path}.{kind}", "a string is needed")
        return {"type": "text", "text": inner}
    if kind == "image_url":
        return _image(inner, f"{path}.image_url", dropped)
    return _file(inner, f"{path}.file", dropped)


def _image(image: Any, path: str, dropped: Dropped) -> Block:
    given = {"url": image} if isinstance(image, str) else image
    url = given.get("url") if isinstance(given, dict) else None
    if not isinstance(url, str):
        raise invalid(f"{path}.url", "a string is needed")
    if given.get("detail") not in (None, "auto"):
        dropped.note("messages[].content[].image_url.detail")
    dropped.note_unknown(given, ("url", "detail"), "messages[].content[].image_url.")
    if url[:5].lower() == "data:":
        media_type, data = _data_url(url, f"{path}.url")
        return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
    if not url.lower().startswith(("https://", "http://")):
        raise invalid(f"{path}.url", "an https: or a data: URL is needed")
    return {"type": "image", "source": {"type": "url", "url": url}}


def _file(file: Any, path: str, dropped: Dropped) -> Block:
    if not isinstance(file, dict):
        raise invalid(path, "an object is needed")
    if file.get("file_id"):
        raise invalid(f"{path}.file_id", "the provider of this model does not have this file; send its file_data")
    data, name = file.get("file_data"), file.get("filename")
    if not isinstance(data, str):
        raise invalid(f"{path}.file_data", "a string is needed")
    dropped.note_unknown(file, ("file_id", "file_data", "filename"), "messages[].content[].file.")
    media_type = _PDF
    if data[:5].lower() == "data:":
        media_type, data = _data_url(data, f"{path}.file_data")
    if media_type.startswith("image/"):
        return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
    if media_type == _PDF:
        source = {"type": "base64", "media_type": media_type, "data": data}
    elif media_type.startswith("text/"):
        source = {"type": "text", "media_type": "text/plain", "data": _text(data, f"{path}.file_data")}
    else:
        raise invalid(f"{path}.file_data", "the provider of this model takes PDF, text and images")
    return {"type": "document", "source": source, **({"title": name} if isinstance(name, str) and name else {})}


def _data_url(url: str, path: str) -> tuple[str, str]:
    head, comma, data = url.partition(",")
    media_type, *parameters = head[5:].lower().split(";")
    if not comma or "base64" not in parameters:
        raise invalid(path, "a data: URL in base64 is needed")
    if not data or NOT_BASE64.search(data):
        raise invalid(path, "what follows the comma is not base64")
    return media_type.strip(), data


def _text(data: str, path: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        raise invalid(path, "the text is not UTF-8 in base64") from None
