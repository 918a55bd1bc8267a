"""A response means the same however its bytes are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.providers.response import MalformedResponse, Response

INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nEmpty:\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"6\r\ndata: \r\n1;x=y\r\na\r\n2\r\n\n\n\r\n0\r\nX-Late: 1\r\nX-Last: 2\r\n\r\n"
)


@given(st.lists(st.integers(1, len(INTERIM + CHUNKED) - 1), max_size=12))
def test_any_cutting_gives_the_same_response(cuts: list[int]) -> None:
    response, body, before = Response(), b"", 0
    for cut in [*sorted(set(cuts)), len(INTERIM + CHUNKED)]:
        response.push((INTERIM + CHUNKED)[before:cut])
        body += response.take()
        before = cut
    assert body == b"data: a\n\n"
    assert (response.status, response.is_complete, response.is_reusable) == (200, True, True)
    assert response.headers == {
        "content-type": "text/event-stream",
        "empty": "",
        "transfer-encoding": "chunked",
    }


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_a_response_or_malformed_or_ended_early(data: bytes, cut: int) -> None:
    response = Response()
    try:
        for part in (data[:cut], data[cut:]):
            if part:
                response.push(part)
        response.push(b"")
    except (MalformedResponse, EOFError):
        return
    assert response.is_complete


@pytest.mark.parametrize("length", range(len(CHUNKED)))
def test_no_part_of_a_response_is_taken_for_the_whole(length: int) -> None:
    response = Response()
    if length:
        response.push(CHUNKED[:length])
    with pytest.raises(EOFError):
        response.push(b"")
    assert not response.is_complete
