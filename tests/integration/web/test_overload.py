"""More open calls than there is room for: who is refused, how, and that it ends by itself."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from tests.gateway import CHAT, MESSAGES, Gateway, settings_for
from tollhouse.domain.errors import Overloaded
from tollhouse.services.calls.capacity import Capacity


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(settings_for(tmp_path, open_calls=4))
    made.add_echo("m", "words=3")
    yield made
    made.close()


def stream(gateway: Gateway, key: str | None = None) -> TestResponse:
    """A call that stays open until it is closed."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    headers = {"authorization": f"Bearer {key or gateway.key}"}
    return gateway.app.test_client().post(CHAT, json=body, headers=headers)


def test_past_its_capacity_a_call_is_refused_at_once_in_its_own_dialect_and_served_when_there_is_room(
    gateway: Gateway,
) -> None:
    held = [stream(gateway) for _ in range(4)]
    assert {one.status_code for one in held} == {200}
    began = time.monotonic()
    refused = stream(gateway)
    assert time.monotonic() - began < 0.1
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json["error"]["code"] == "overloaded"
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    anthropic = gateway.post(MESSAGES, body)
    assert (anthropic.status_code, anthropic.json["error"]["type"]) == (529, "overloaded_error")
    assert gateway.get("/healthz").status_code == 200
    held[0].close()
    assert gateway.chat(model="m").status_code == 200
    for one in held:
        one.close()
    assert len(gateway.rows(5)) == 5
    assert gateway.services.serve().inference.open_calls == 0


def test_calls_of_batch_priority_leave_room_for_those_that_somebody_waits_for(gateway: Gateway) -> None:
    batch = gateway.services.keys.create("nightly", priority="batch").key
    held = [stream(gateway, batch) for _ in range(3)]
    assert {one.status_code for one in held} == {200}
    assert stream(gateway, batch).status_code == 503
    last = stream(gateway)
    assert last.status_code == 200
    for one in (*held, last):
        one.close()


def test_a_call_that_is_refused_or_fails_leaves_its_place(gateway: Gateway) -> None:
    gateway.add_echo("failing", "status=500")
    for _ in range(6):
        assert gateway.chat(model="nope").status_code == 404
        assert gateway.chat(model="failing").status_code == 500
    assert gateway.services.serve().inference.open_calls == 0


def test_without_a_bound_nobody_is_refused_and_a_place_is_left_once() -> None:
    free = Capacity()
    places = [free.enter("batch") for _ in range(1000)]
    for place in places:
        place.leave()
        place.leave()
    assert free.open == 0
    small = Capacity(2)
    small.enter("interactive")
    with pytest.raises(Overloaded):
        small.enter("batch")
    small.enter("interactive")
