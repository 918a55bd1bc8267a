"""What makes an event of a stream one of its format, for translations: what a model says of the wrong type cannot be
told, and to leave it out without a word would change what was said.

Only what carries the answer is looked at: text, tool calls, and the numbers that say where they belong. Of the wrong
type, the stream ends with an error that names it. All else is passed over: what is null or left out, fields and events
that nobody here knows, thoughts, citations, usage.
"""

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]
_STRING_OF = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


def complaint(path: str) -> str:
    """The sentence for a client whose stream ends here."""
    return f"The provider sent an event whose {path!r} is missing or wrong."


def chat_chunk(document: Document) -> str | None:
    """The path of the first thing that is wrong in a chunk of a chat completion; None where nothing is."""
    choices = document.get("choices")
    if choices is None:
        return None
    if not isinstance(choices, list):
        return "choices"
    for number, choice in enumerate(choices):
        if (wrong := _choice(choice)) is not None:
            return f"choices[{number}]{wrong}"
    return None


def chunk_complaint(document: Document) -> str | None:
    """The same as a sentence."""
    wrong = chat_chunk(document)
    return complaint(wrong) if wrong else None


def message_event(event: Document) -> str | None:
    """The path of the first thing that is wrong in an event of a Message; None where nothing is."""
    kind = event.get("type")
    if kind == "content_block_delta":
        wrong = _block_delta(event.get("delta"))
    elif kind == "content_block_start":
        wrong = _block(event.get("content_block"))
    else:
        return None
    return wrong if wrong or _is_place(event.get("index")) else "index"


def _block_delta(delta: Any) -> str | None:
    if not isinstance(delta, dict):
        return "delta"
    told = delta.get("type")
    name = _STRING_OF.get(told) if isinstance(told, str) else None
    return f"delta.{name}" if name and not isinstance(delta.get(name), str) else None


def _block(block: Any) -> str | None:
    if not isinstance(block, dict):
        return "content_block"
    if block.get("type") == "text" and not isinstance(block.get("text"), str | None):
        return "content_block.text"
    if block.get("type") == "tool_use" and not isinstance(block.get("name"), str):
        return "content_block.name"
    return None


def _choice(choice: Any) -> str | None:
    """The rest of the path; "" where it is the choice itself."""
    if not isinstance(choice, dict):
        return ""
    if not _is_place(choice.get("index")):
        return ".index"
    delta = choice.get("delta")
    if delta is None:
        return None
    if not isinstance(delta, dict):
        return ".delta"
    content = delta.get("content")
    wrong = None if isinstance(content, str) else _content(content)
    if wrong or ((content is None or len(delta) > 1) and (wrong := _beside_content(delta))):
        return f".delta.{wrong}"
    return None


def _content(content: Any) -> str | None:
    if content is None:
        return None
    if not isinstance(content, list):
        return "content"
    for number, part in enumerate(content):
        if not isinstance(part, dict):
            return f"content[{number}]"
        if part.get("type") == "text" and not isinstance(part.get("text"), str):
            return f"content[{number}].text"
    return None


def _beside_content(delta: Document) -> str | None:
    if not isinstance(delta.get("refusal"), str | None):
        return "refusal"
    calls = delta.get("tool_calls")
    if calls is None:
        return None
    if not isinstance(calls, list):
        return "tool_calls"
    for number, call in enumerate(calls):
        if (wrong := _call(call)) is not None:
            return f"tool_calls[{number}]{wrong}"
    return None


def _call(call: Any) -> str | None:
    """The rest of the path; "" where it is the call itself."""
    if not isinstance(call, dict):
        return ""
    if not _is_place(call.get("index")):
        return ".index"
    for kind, said in (("function", "arguments"), ("custom", "input")):
        called = call.get(kind)
        if called is None:
            continue
        if not isinstance(called, dict):
            return f".{kind}"
        if not isinstance(called.get("name"), str | None):
            return f".{kind}.name"
        # Some hosts send an object rather than its text.
        if not isinstance(called.get(said), str | dict | None):
            return f".{kind}.{said}"
    return None


def _is_place(index: Any) -> bool:
    """Some hosts leave it out. A boolean is an integer to Python."""
    return index is None or type(index) is int
