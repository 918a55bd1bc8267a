"""Parts of an item's content as those of a chat message. Nothing is fetched."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tollhouse.wire.responses_to_chat.fields import kind_of, object_of, objects_of, refuse, text_of
from tollhouse.wire.responses_to_chat.losses import Dropped

Part = dict[str, Any]

_MARKS = ("prompt_cache_breakpoint", "cache_control")
_PATH = "input[].content[]."


def parts_of(content: Any, path: str, dropped: Dropped) -> list[Part]:
    """Of a string, one part of text."""
    if isinstance(content, str):
        return [text_part(content)]
    return [_part(part, f"{path}[{number}]", dropped) for number, part in enumerate(objects_of(content, path))]


def text_part(text: str) -> Part:
    return {"type": "text", "text": text}


def content_of(parts: Sequence[Part], joint: str = "\n") -> str | list[Part]:
    """A plain text where that says it all: not every host takes parts. They too join texts by a new line."""
    if all(len(part) == 2 and part["type"] == "text" for part in parts):
        return joint.join(part["text"] for part in parts)
    return list(parts)


def is_text(part: Part) -> bool:
    return bool(part["type"] == "text")


def _part(part: Mapping[str, Any], path: str, dropped: Dropped) -> Part:
    kind = kind_of(part, path)
    if kind not in _KINDS:
        raise refuse(f"{path}.type", f"this model's provider has no such content: {kind[:60]}")
    told = _KINDS[kind](part, path, dropped)
    for mark in _MARKS:
        if part.get(mark):
            told[mark] = part[mark]
    return told


def _text(part: Mapping[str, Any], path: str, dropped: Dropped) -> Part:
    # The probabilities and citations of a reply come back with it. No host reads them.
    dropped.note_others(part, ("type", "text", "logprobs", *_MARKS), _PATH)
    return text_part(text_of(part, "text", path))


def _refusal(part: Mapping[str, Any], path: str, dropped: Dropped) -> Part:
    dropped.note_others(part, ("type", "refusal"), _PATH)
    return {"type": "refusal", "refusal": text_of(part, "refusal", path)}


def _image(part: Mapping[str, Any], path: str, dropped: Dropped) -> Part:
    if part.get("file_id"):
        raise refuse(f"{path}.file_id", "this model's provider does not have this file; send it as an image_url")
    dropped.note_others(part, ("type", "image_url", "detail", "file_id", *_MARKS), _PATH)
    image = {"url": text_of(part, "image_url", path)}
    if part.get("detail") is not None:
        image["detail"] = text_of(part, "detail", path)
    return {"type": "image_url", "image_url": image}


def _file(part: Mapping[str, Any], path: str, dropped: Dropped) -> Part:
    if part.get("file_url"):
        raise refuse(f"{path}.file_url", "this model's provider fetches no files; send the file_data")
    known = ("type", "file_data", "file_id", "filename", "detail", *_MARKS)
    dropped.note_others(part, known, _PATH)
    if part.get("detail") not in (None, "auto"):
        dropped.note("input[].content[].detail")
    file = {name: part[name] for name in ("file_id", "filename", "file_data") if part.get(name)}
    for name in file:
        text_of(file, name, path)
    if not file.keys() & {"file_id", "file_data"}:
        raise refuse(f"{path}.file_data", "a string is required")
    return {"type": "file", "file": file}


def _audio(part: Mapping[str, Any], path: str, dropped: Dropped) -> Part:
    dropped.note_others(part, ("type", "input_audio", *_MARKS), _PATH)
    audio = object_of(part, "input_audio", path)
    return {"type": "input_audio", "input_audio": audio}


_KINDS: Mapping[str, Callable[[Mapping[str, Any], str, Dropped], Part]] = {
    "input_text": _text,
    "output_text": _text,
    "text": _text,
    "refusal": _refusal,
    "input_image": _image,
    "input_file": _file,
    "input_audio": _audio,
}
