"""Content blocks as the parts of a chat message."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tollhouse.wire.messages_to_chat.fields import as_blocks, object_at, refuse, text_at
from tollhouse.wire.messages_to_chat.losses import Dropped
from tollhouse.wire.vocabulary import NOT_BASE64

Part = dict[str, Any]

READABLE = frozenset({"text", "image", "document", "search_result", "tool_reference"})
"""The kinds of blocks that have parts."""


def parts_of(block: Mapping[str, Any], path: str, dropped: Dropped) -> list[Part]:
    """The parts of a block that is `READABLE`; the last has the block's cache mark, as all before it are cached too."""
    kind = block["type"]
    if kind == "text":
        parts = [_text(text_at(block, "text", path))]
    elif kind == "image":
        dropped.add_present(block, "transformations", "messages[].content[].transformations")
        parts = [_image(object_at(block, "source", path), f"{path}.source")]
    elif kind == "document":
        parts = _document(block, path, dropped)
    elif kind == "search_result":
        head = f"{text_at(block, 'title', path)}\n{text_at(block, 'source', path)}"
        parts = [_text(head), *_inner(block.get("content"), f"{path}.content", dropped)]
    else:
        parts = [_text(f"The tool {text_at(block, 'tool_name', path)} can be called.")]
    dropped.add_present(block, "citations", "messages[].content[].citations")
    return marked(parts, block)


def marked(parts: list[Part], block: Mapping[str, Any]) -> list[Part]:
    """Hosts that cache by such marks (OpenRouter, LiteLLM) look for them on the parts."""
    if parts and (mark := block.get("cache_control")):
        parts[-1]["cache_control"] = mark
    return parts


def content_of(parts: Sequence[Part], joint: str = "\n") -> str | list[Part]:
    """A plain text where that says it all, for not every host takes parts; they too join texts by a new line."""
    if all(len(part) == 2 and part["type"] == "text" for part in parts):
        return joint.join(part["text"] for part in parts)
    return list(parts)


def note(text: str) -> Part:
    """Something that only the gateway says."""
    return _text(text)


def texts(parts: Iterable[Part]) -> list[Part]:
    return [part for part in parts if part["type"] == "text"]


def others(parts: Iterable[Part]) -> list[Part]:
    """Images and files, which some messages of chat may not have."""
    return [part for part in parts if part["type"] != "text"]


def _text(text: str) -> Part:
    return {"type": "text", "text": text}


def _image(source: Mapping[str, Any], path: str) -> Part:
    kind = source.get("type")
    if kind == "base64":
        url = f"data:{text_at(source, 'media_type', path)};base64,{_base64(source, path)}"
    elif kind == "url":
        url = text_at(source, "url", path)
    else:
        raise refuse(f"{path}.type", "this model's provider takes images by base64 or url")
    return {"type": "image_url", "image_url": {"url": url}}


def _base64(source: Mapping[str, Any], path: str) -> str:
    data = text_at(source, "data", path)
    if not data or NOT_BASE64.search(data):
        raise refuse(f"{path}.data", "it is not base64")
    return data


def _document(block: Mapping[str, Any], path: str, dropped: Dropped) -> list[Part]:
    source = object_at(block, "source", path)
    title = text_at(block, "title", path) if block.get("title") else ""
    head = [_text(text_at(block, "context", path))] if block.get("context") else []
    kind = source.get("type")
    if kind == "base64":
        media_type = text_at(source, "media_type", f"{path}.source")
        data = f"data:{media_type};base64,{_base64(source, f'{path}.source')}"
        return [*head, {"type": "file", "file": {"filename": title or "document.pdf", "file_data": data}}]
    if title:
        head.insert(0, _text(title))
    if kind == "text":
        return [*head, _text(text_at(source, "data", f"{path}.source"))]
    if kind == "content":
        return [*head, *_inner(source.get("content"), f"{path}.source.content", dropped)]
    raise refuse(f"{path}.source.type", "this model's provider takes documents by base64, text or content")


def _inner(content: Any, path: str, dropped: Dropped) -> list[Part]:
    parts = []
    for number, block in enumerate(as_blocks(content, path)):
        if block["type"] not in ("text", "image"):
            raise refuse(f"{path}[{number}].type", "a text or an image is required")
        parts += parts_of(block, f"{path}[{number}]", dropped)
    return parts
