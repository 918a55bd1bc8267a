"""What the echo provider says to a conversation: the last user message's text, a token being a word."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tollhouse.providers.echo.options import EchoOptions
from tollhouse.providers.echo.reply import UnreadableBody, whole_number

_WORD = re.compile(r"\s*\S+")


@dataclass(frozen=True, slots=True)
class Speech:
    """The words, which joined are the text; whether the cap cut it; and how many words were said to it."""

    words: Sequence[str]
    is_cut: bool
    input_tokens: int


def speech(body: Mapping[str, Any], cap: object, options: EchoOptions) -> Speech:
    """The answer to a body with `messages`, of at most `cap` words. Raises UnreadableBody."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise UnreadableBody("messages must be a list of messages.")
    texts = [_text(one.get("content")) for one in messages]
    from_users = [text for one, text in zip(messages, texts, strict=True) if one.get("role") == "user"]
    if options.words is not None:
        words = [f"{' ' if number > 1 else ''}word{number}" for number in range(1, options.words + 1)]
    else:
        words = _WORD.findall(from_users[-1]) if from_users else []
    most = whole_number(cap, "max_tokens", 0, 2**53)
    is_cut = most is not None and most < len(words)
    texts.append(_text(body.get("system")))
    return Speech(words[:most] if is_cut else words, is_cut, sum(len(text.split()) for text in texts))


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = [part.get("text") for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return " ".join([part for part in parts if isinstance(part, str)])
