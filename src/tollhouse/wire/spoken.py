"""What a streamed answer says, put together from its events, in any format: for people who read it or search it.

Total: what is no event of a format that is known says nothing.
"""

from collections.abc import Iterator
from typing import Any

from tollhouse.wire import json_text


def spoken(transcript: bytes) -> str:
    """All text of a transcript of server-sent events in its order: thoughts, answers, arguments of tools."""
    return "".join(_pieces(transcript))


def _pieces(transcript: bytes) -> Iterator[str]:
    for line in transcript.splitlines():
        if line.startswith(b"data:") and isinstance(event := json_text.read_leniently(line[5:].strip()), dict):
            yield from _of_event(event)


def _of_event(event: dict[str, Any]) -> Iterator[str]:
    delta = event.get("delta")
    if isinstance(delta, str):  # Responses: the event says what it is a piece of
        yield delta
    elif isinstance(delta, dict):  # Messages
        yield from _texts(delta, ("text", "thinking", "partial_json"))
    for choice in event.get("choices") or ():  # Chat Completions, and the legacy ones
        if isinstance(choice, dict):
            yield from _texts(choice, ("text",))
            if isinstance(said := choice.get("delta"), dict):
                yield from _texts(said, ("reasoning_content", "content", "refusal"))
                for call in said.get("tool_calls") or ():
                    if isinstance(call, dict) and isinstance(function := call.get("function"), dict):
                        yield from _texts(function, ("name", "arguments"))


def _texts(part: dict[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        if isinstance(value := part.get(name), str):
            yield value
