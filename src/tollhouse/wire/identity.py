"""The identity: client and host speak one format. The request goes on as it is, and reply bytes are not touched."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tollhouse.domain.call import Call
from tollhouse.wire.chat import is_usage_event, wants_usage
from tollhouse.wire.messages_to_chat.sealed import is_sealed
from tollhouse.wire.pair import ANYONE, Loss, Recipient, Translated
from tollhouse.wire.passthrough import Converter, Passthrough

_FOREIGN_ID = re.compile(
    rb'(?:event: message_start\r?\ndata: ?)?\s*(?:\{"type":\s*"message_start",\s*"message":\s*)?\{"id":\s*"(chatcmpl-)'
)
_ID_IS_WITHIN = 120
"""Bytes from the beginning of a reply."""


class Identity:
    """`drops` says of a call which events of its reply only the gateway asked for; `edit` is what a body loses that
    came out of another pair's replies. It gives the same object where it changes nothing.
    """

    losses: Sequence[Loss] = ()

    def __init__(
        self,
        drops: Callable[[Call], Callable[[bytes], bool] | None] = lambda call: None,
        edit: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda body: body,
    ) -> None:
        self._drops = drops
        self._edit = edit

    def request(self, body: Mapping[str, Any], recipient: Recipient = ANYONE) -> Translated:
        return Translated(self._edit(body))

    def converter(self, call: Call) -> Converter:
        return Passthrough(self._drops(call))


def _unwanted_usage(call: Call) -> Callable[[bytes], bool] | None:
    return is_usage_event if call.facts.stream and not wants_usage(call.body) else None


chat_identity = completions_identity = Identity(_unwanted_usage)
"""Every stream of these is asked for its usage."""


def _without_foreign_thoughts(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Thoughts that a host of another format had are sealed by our own hand: Anthropic refuses their signatures."""
    messages = [_without_sealed(message) for message in body["messages"]]
    if all(after is before for after, before in zip(messages, body["messages"], strict=True)):
        return body
    return {**body, "messages": messages}


def _without_sealed(message: Mapping[str, Any]) -> Mapping[str, Any]:
    content = message.get("content")
    if message.get("role") != "assistant" or not isinstance(content, list):
        return message
    kept = [block for block in content if not _is_sealed_thought(block)]
    return message if len(kept) == len(content) or not kept else {**message, "content": kept}


def _is_sealed_thought(block: Any) -> bool:
    return (
        isinstance(block, dict)
        and block.get("type") in ("thinking", "redacted_thinking")
        and is_sealed(block.get("signature") or block.get("data"))
    )


class _OwnIds(Passthrough):
    """The bytes as they came, but for an id that is none of the format: llama.cpp and vLLM give Messages those of chat.
    It stands at the very beginning; of a whole reply, so much is gathered first.
    """

    def __init__(self, *, stream: bool) -> None:
        super().__init__()
        self._stream = stream
        self._first = b""
        self._begun = False

    def feed(self, frame: bytes) -> bytes:
        if self._begun:
            return frame
        if self._stream:
            self._begun = frame.find(b"message_start") >= 0
            return _with_own_id(frame)
        self._first += frame
        return self._begin() if len(self._first) >= _ID_IS_WITHIN else b""

    def finish(self) -> bytes:
        return b"" if self._begun else self._begin()

    def _begin(self) -> bytes:
        first, self._first, self._begun = self._first, b"", True
        return _with_own_id(first)


def _with_own_id(text: bytes) -> bytes:
    found = _FOREIGN_ID.match(text)
    return text[: found.start(1)] + b"msg_" + text[found.end(1) :] if found else text


class MessagesIdentity(Identity):
    def converter(self, call: Call) -> Converter:
        return _OwnIds(stream=call.facts.stream)


messages_identity = MessagesIdentity(edit=_without_foreign_thoughts)
