"""Clients of OpenAI Responses, served by hosts that speak it themselves and keep nothing.

What was kept is kept here: `previous_response_id` and `conversation` have become input items before a body comes here,
and a reply gets the id under which its caller finds it again. A call that keeps nothing is passed through.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tollhouse.domain.call import Call
from tollhouse.wire import completion, json_text
from tollhouse.wire.framing import event_data
from tollhouse.wire.pair import ANYONE, Loss, Recipient, Translated
from tollhouse.wire.passthrough import Converter, Passthrough
from tollhouse.wire.responses import conversation_id, keeps_state, response_id
from tollhouse.wire.responses_to_chat.sealed import is_sealed

_OURS = re.compile(r"[a-z]+_[0-9a-hjkmnp-tv-z]{26}(?:_[0-9]+)?\Z")
_HAS_RESPONSE = re.compile(rb'"response"\s*:\s*\{')


class ResponsesIdentity:
    """The pair ("responses", "responses")."""

    losses: Sequence[Loss] = ()

    def request(self, body: Mapping[str, Any], recipient: Recipient = ANYONE) -> Translated:
        items = body.get("input")
        if not isinstance(items, list):
            return Translated(body)
        told = [told for item in items if (told := _told(item)) is not None]
        if keeps_state(body):
            told = [item for item in told if not _is_mere_name(item)]
        same = len(told) == len(items) and all(one is other for one, other in zip(told, items, strict=True))
        return Translated(body if same else {**body, "input": told})

    def converter(self, call: Call) -> Converter:
        if not keeps_state(call.body):
            return Passthrough()
        return _KeptStream(call) if call.facts.stream else _KeptReply(call)


def _told(item: dict[str, Any]) -> dict[str, Any] | None:
    """An item without what only this gateway knows: the same object where there is nothing of it."""
    if is_sealed(item.get("encrypted_content")):
        return None  # no host can decrypt what was sealed here
    name = item.get("id")
    if not isinstance(name, str) or not _OURS.match(name) or item.get("type") == "item_reference":
        return item
    if item.get("role") == "assistant" and (text := _text(item.get("content"))) is not None:
        # The only form of what a model said that needs no id of the host's.
        return {"type": "message", "role": "assistant", "content": text}
    return {name: value for name, value in item.items() if name != "id"}


def _is_mere_name(item: Mapping[str, Any]) -> bool:
    """Whether it only names thoughts that a host had kept: it was told to keep nothing."""
    return item.get("type") == "reasoning" and not (item.get("encrypted_content") or item.get("content"))


def _text(content: Any) -> str | None:
    """What was said, where it is text alone."""
    if not isinstance(content, list):
        return None
    texts = [
        text
        for part in content
        if isinstance(part, dict) and part.get("type") == "output_text" and isinstance(text := part.get("text"), str)
    ]
    return "".join(texts) if len(texts) == len(content) else None


class _KeptStream:
    """The events as they came, but those that tell the response itself."""

    def __init__(self, call: Call) -> None:
        self._own = _own_fields(call)

    def feed(self, frame: bytes) -> bytes:
        data = event_data(frame)
        if not _HAS_RESPONSE.search(data):
            return frame
        document = completion.read(data)
        if document is None or not isinstance(document.get("response"), dict):
            return frame
        document["response"] |= self._own
        return b"event: %b\ndata: %b\n\n" % (str(document.get("type")).encode(), json_text.write(document))

    def finish(self) -> bytes:
        return b""


class _KeptReply:
    """Gathers the document, and tells it at its end."""

    def __init__(self, call: Call) -> None:
        self._own = _own_fields(call)
        self._frames: list[bytes] = []

    def feed(self, frame: bytes) -> bytes:
        self._frames.append(frame)
        return b""

    def finish(self) -> bytes:
        text = b"".join(self._frames)
        self._frames.clear()
        document = completion.read(text)
        return text if document is None or document.get("error") else json_text.write(document | self._own)


def _own_fields(call: Call) -> dict[str, Any]:
    told = {
        "id": response_id(call),
        "store": call.body.get("store") is not False,
        "previous_response_id": call.body.get("previous_response_id"),
    }
    if name := conversation_id(call.body):
        told["conversation"] = {"id": name}
    return told
