"""About how many tokens a conversation has, for models whose own tokenizer nobody here can ask.

A token for every four bytes of ASCII and every three of other text, as byte-pair tokenizers of large vocabularies come
to in prose; and a few for what a host's template puts around each message and tool. Text is what is said and thought,
tool calls, their results, and the definitions of tools as compact JSON. What is not text counts as a usual one of its
kind.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tollhouse.domain.call import Facts
from tollhouse.wire import json_text

ASCII_BYTES = 4
OTHER_BYTES = 3
CALL_TOKENS = 3
MESSAGE_TOKENS = 4
TOOL_TOKENS = 8
IMAGE_TOKENS = 1600
"""What a usual image, a screenshot or a photograph, comes to at most vendors; no bound. Anthropic's guide "Vision" has
a token for every 28 by 28 pixels, and scales down what has more than 1,568 of them, from Claude 4.7 on more than 4,784
(1920 by 1080 has 2,691 there). OpenAI's "Images and vision" has 765 to 1,105 for models that count tiles, and up to
1,536 for those that count patches and are not told to see the original.
https://platform.claude.com/docs/en/build-with-claude/vision
https://developers.openai.com/api/docs/guides/images-vision#calculating-costs
"""
FILE_TOKENS = 3000
"""Of a page of PDF: how many there are is not looked up. Anthropic's guide "PDF support" has 1,500 to 3,000 for the
text of a page, and an image of it besides. https://platform.claude.com/docs/en/build-with-claude/pdf-support"""


def estimate_input(facts: Facts, bound: int) -> int:
    """About the input of any call that was answered in full, of which its host tells nothing. At most the bound, and
    that where something is in it whose usual tokens nobody knows: files, sound, what a host has of its own.
    """
    if facts.media > facts.images:
        return bound
    text = max(0, facts.size - facts.image_size)
    return min(bound, -(-text // ASCII_BYTES) + IMAGE_TOKENS * facts.images)


def image_size(part: Mapping[str, Any]) -> int:
    """About how many bytes of a body an image takes, wherever in it the data stand."""
    size, left = 0, [part]
    while left:
        for value in left.pop().values():
            if isinstance(value, str):
                size += len(value)
            elif isinstance(value, dict):
                left.append(value)
    return size


def estimate_tokens(body: Mapping[str, Any]) -> int:
    """The input tokens of a Messages request that its schema has checked. At least 1."""
    messages, tools = body["messages"], body.get("tools") or ()
    text = _Text()
    for part in (body.get("system"), *(message["content"] for message in messages)):
        text.add_content(part)
    for tool in tools:
        text.add(json_text.write(tool).decode())
    around = CALL_TOKENS + MESSAGE_TOKENS * (len(messages) + bool(body.get("system"))) + TOOL_TOKENS * len(tools)
    return around + text.tokens


class _Text:
    """What has been said so far."""

    def __init__(self) -> None:
        self._ascii = 0
        self._other = 0
        self._beside = 0

    @property
    def tokens(self) -> int:
        return self._beside - (-self._ascii // ASCII_BYTES) - (-self._other // OTHER_BYTES)

    def add(self, text: Any) -> None:
        if not isinstance(text, str):
            return
        plain = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
        self._ascii += plain
        if plain < len(text):
            self._other += len(text.encode()) - plain

    def add_content(self, content: Any) -> None:
        """A text, or blocks: of each all its text, to any depth, and what it has besides."""
        if isinstance(content, str):
            self.add(content)
        for block in _blocks(content):
            kind = block.get("type")
            if kind == "image":
                self._beside += IMAGE_TOKENS
            elif kind == "document" and not _is_text(block.get("source")):
                self._beside += FILE_TOKENS
            self._add_texts(block)

    def _add_texts(self, block: Mapping[str, Any]) -> None:
        for field in ("text", "thinking", "name", "title", "context"):
            self.add(block.get(field))
        if "input" in block:
            self.add(json_text.write(block["input"]).decode())
        self.add_content(block.get("content"))
        source = block.get("source")
        if isinstance(source, dict) and _is_text(source):
            self.add(source.get("data"))
            self.add_content(source.get("content"))
        elif isinstance(source, str):  # of a search result, its address
            self.add(source)


def _blocks(content: Any) -> Iterator[Mapping[str, Any]]:
    return (block for block in content if isinstance(block, dict)) if isinstance(content, list) else iter(())


def _is_text(source: Any) -> bool:
    return isinstance(source, dict) and source.get("type") in ("text", "content")
