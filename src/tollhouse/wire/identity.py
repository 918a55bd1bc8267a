"""The identity: client and host speak one format. The request goes on as it is, and reply bytes are not touched."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tollhouse.domain.call import Call
from tollhouse.wire.chat import is_usage_event, wants_usage
from tollhouse.wire.messages_to_chat.sealed import is_sealed
from tollhouse.wire.pair import ANYONE, Loss, Recipient, Translated
from tollhouse.wire.passthrough import Converter, Passthrough


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


messages_identity = Identity(edit=_without_foreign_thoughts)
