"""Replies of hosts that speak the client's own format: what of them is changed, and that nothing else is."""

import json

import pytest

from tollhouse.domain.call import Call, Facts
from tollhouse.wire import PAIRS
from tollhouse.wire.framing import EventFraming

WHOLE = (
    b'{"id":"%b","type":"message","role":"assistant","content":[{"type":"text","text":"chatcmpl-9 is no id of mine"}]}'
)
START = b'event: message_start\ndata: {"type":"message_start","message":{"id":"%b","type":"message","content":[]}}\n\n'
DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"{\\"id\\":\\"chatcmpl-9"}}\n\n'
)
PING = b'event: ping\ndata: {"type":"ping"}\n\n'


def converted(pieces: list[bytes], *, stream: bool) -> bytes:
    call = Call("req_1", "messages", {"messages": []}, Facts("m", 1, stream=stream))
    converter = PAIRS["messages", "messages"].converter(call)
    return b"".join([converter.feed(piece) for piece in pieces]) + converter.finish()


@pytest.mark.parametrize("stream", [False, True])
def test_a_message_has_an_id_of_its_own_format(stream: bool) -> None:
    told = START + PING + DELTA if stream else WHOLE
    whole, expected = told % b"chatcmpl-7", told % b"msg_7"
    pieces = EventFraming().feed(whole) if stream else [whole[n : n + 7] for n in range(0, len(whole), 7)]
    assert converted(pieces, stream=stream) == expected


@pytest.mark.parametrize("id", [b"msg_7", b"", b"gen-7"])
def test_all_other_bytes_are_as_they_came(id: bytes) -> None:
    for told in (WHOLE % id, b"{}", b"", b"chatcmpl-", json.dumps({"error": {"id": "chatcmpl-1"}}).encode()):
        assert converted([told], stream=False) == told
    stream = [b": hello\n\n", PING, START % id, DELTA]
    assert converted(stream, stream=True) == b"".join(stream)


def test_a_stream_is_not_held_up() -> None:
    call = Call("req_1", "messages", {"messages": []}, Facts("m", 1, stream=True))
    assert PAIRS["messages", "messages"].converter(call).feed(PING) == PING
