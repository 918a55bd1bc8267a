"""Tokens are counted for every model: by its host, else by an estimate that says that it is one. It costs nothing."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway import Gateway
from tests.ledgers import open_holds, sums
from tests.transcript_host import TranscriptHost
from tollhouse.services.models.models import NewModel

COUNT = "/v1/messages/count_tokens"
HELLO = [{"role": "user", "content": "Hello, big world"}]


@pytest.fixture
def host(gateway: Gateway) -> Iterator[TranscriptHost]:
    host = TranscriptHost()
    gateway.services.providers.add("claude", "anthropic", host.url, allow_private=True)
    prices = {"input_price": 10**9, "output_price": 10**9, "context_window": 10_000}
    gateway.services.models.add(NewModel("claude", "claude", "claude-upstream", **prices))
    gateway.services.serve().catalogue.refresh()
    yield host
    host.close()


def count(gateway: Gateway, model: str = "echo", **fields: Any) -> Any:
    return gateway.post(COUNT, {"model": model, "messages": HELLO, **fields})


def test_a_host_that_counts_is_asked_and_believed(gateway: Gateway, host: TranscriptHost) -> None:
    host.says("count_tokens-whole.json")
    response = count(gateway, "claude", system="Be kind.")
    assert response.json == {"input_tokens": 403}
    assert "x-tollhouse-estimated" not in response.headers
    assert response.headers["x-tollhouse-provider"] == "claude"
    assert host.asked == [{"model": "claude-upstream", "messages": HELLO, "system": "Be kind."}]


def test_a_host_that_counts_none_gets_an_estimate_that_says_so(gateway: Gateway) -> None:
    response = count(gateway)
    assert response.json == {"input_tokens": 11}
    assert response.headers["x-tollhouse-estimated"] == "true"


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_host_that_does_not_know_the_path_gets_an_estimate_too(
    gateway: Gateway, host: TranscriptHost, status: int
) -> None:
    host.fails(status)
    response = count(gateway, "claude")
    assert (response.status_code, response.headers["x-tollhouse-estimated"]) == (200, "true")


def test_a_host_that_fails_is_not_covered_up(gateway: Gateway, host: TranscriptHost) -> None:
    host.fails(529)
    response = count(gateway, "claude")
    assert (response.status_code, response.json["type"]) == (529, "error")
    (row,) = gateway.rows()
    assert (row.input_tokens, row.cost) == (0, 0)


def test_a_count_is_recorded_at_nothing_whatever_the_prices_and_the_budget(
    gateway: Gateway, host: TranscriptHost
) -> None:
    host.says("count_tokens-whole.json")
    gateway.services.budgets.set(("key", gateway.key_id()), 1, "day")
    gateway.services.providers.add("somewhere", "echo", "echo:?words=1")
    gateway.services.models.add(NewModel("unpriced", "somewhere"))
    gateway.services.serve().catalogue.refresh()
    assert [count(gateway, model).status_code for model in ("claude", "unpriced")] == [200, 200]
    rows = gateway.rows(2)
    assert [(row.format, row.status, row.outcome) for row in rows] == [("count_tokens", 200, "ok")] * 2
    assert [(row.input_tokens, row.output_tokens, row.cost, row.estimated) for row in rows] == [(0, 0, 0, False)] * 2
    assert open_holds(gateway.services.database) == []
    assert sum(sums(gateway.services.database)) == 0


def test_what_cannot_be_read_is_told_in_anthropics_shape(gateway: Gateway) -> None:
    response = count(gateway, messages=[])
    assert (response.status_code, response.json["type"]) == (400, "error")
    assert response.json["error"]["message"].startswith("messages: ")
    assert count(gateway, model="unknown").status_code == 404
