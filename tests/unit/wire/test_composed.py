"""Translations made of two: what is handed on in the middle says the same as bytes would."""

from dataclasses import replace
from pathlib import Path

import pytest

from tollhouse.domain.call import Call, Facts
from tollhouse.wire.chat_to_messages import ChatToMessages
from tollhouse.wire.completions_to_chat import CompletionsToChat
from tollhouse.wire.composed import Composed
from tollhouse.wire.framing import EventFraming
from tollhouse.wire.responses_to_chat import ResponsesToChat

GOLDEN = Path(__file__).parents[2] / "golden"
STREAMS = sorted(
    [path for path in (GOLDEN / "chat_to_messages" / "streams").glob("*.sse") if ".client" not in path.name]
    + list((GOLDEN / "transcripts").glob("messages-*.sse"))
)
BODIES = {
    "responses": {"model": "m", "input": "Hi", "stream": True},
    "completions": {"model": "m", "prompt": "Hi", "stream": True, "stream_options": {"include_usage": True}},
}


FIRST = {"responses": ResponsesToChat(), "completions": CompletionsToChat()}
SECOND = ChatToMessages(clock=lambda: 1763000000)


@pytest.mark.parametrize("client", BODIES)
@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_stream_is_the_same_as_by_way_of_bytes(path: Path, client: str) -> None:
    call = Call("req_7", client, BODIES[client], Facts("m", 1, stream=True))
    middle = replace(call, body=FIRST[client].request(call.body).body)
    host_side = SECOND.converter(middle)
    client_side = FIRST[client].converter(call)
    handed = Composed(FIRST[client], SECOND).converter(call)
    outer, inner = EventFraming(), EventFraming()
    expected, got = b"", b""
    for frame in [*outer.feed(path.read_bytes()), *outer.finish()]:
        got += handed.feed(frame)
        expected += b"".join([client_side.feed(one) for one in inner.feed(host_side.feed(frame))])
    got += handed.finish()
    expected += b"".join([client_side.feed(one) for one in inner.finish()]) + client_side.finish()
    assert got == expected
    assert got
