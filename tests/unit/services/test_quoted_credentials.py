"""A provider that quotes the key that it refuses."""

import pytest

from tollhouse.domain.errors import UpstreamRejected
from tollhouse.domain.routes import Host, HostKey, Target
from tollhouse.services.calls.acceptance import expect_success


class Answer:
    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.headers = status, {"content-type": "application/json"}
        self.returned: dict[str, str] = {}
        self._left = [body]

    def read(self) -> bytes:
        return self._left.pop() if self._left else b""

    def close(self) -> None:
        pass


HOST = Host(
    "prv_1", "a", "openai", "https://a.example.com", "first-credential", keys=(HostKey("k", "n", "second-one"),)
)


@pytest.mark.parametrize(("status", "expected"), [(503, ("application/json",)), (200, ("text/event-stream",))])
def test_what_it_quotes_is_masked_before_anybody_reads_it(status: int, expected: tuple[str, ...]) -> None:
    body = b'{"error": {"message": "what are first-credential and second-one?"}}'
    with pytest.raises(UpstreamRejected) as caught:
        expect_success(Answer(status, body), Target("m", "m", HOST, None), expected)
    assert caught.value.body == b'{"error": {"message": "what are *** and ***?"}}'
