"""Replies that are given again: which, to whom, for how long, and what is booked."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.counting_host import CountingHost
from tests.gateway import CHAT, EMBEDDINGS, MESSAGES, Gateway
from tests.ledgers import open_holds
from tollhouse.services.caching import caching
from tollhouse.services.models.models import NewModel

HELLO = [{"role": "user", "content": "hello big world"}]
MODEL = {"model": "kept", "messages": HELLO}
KEPT = {"cache-control": "max-age=60"}


@pytest.fixture
def kept(gateway: Gateway) -> Gateway:
    """With a model whose replies are kept for a minute."""
    gateway.add_echo("kept", "", cache_seconds=60)
    return gateway


@pytest.fixture
def host() -> Iterator[CountingHost]:
    host = CountingHost(0.3)
    yield host
    host.close()


def said(response: TestResponse) -> str | None:
    assert response.status_code == 200, response.get_data()
    return response.headers.get("x-tollhouse-cache")


def add_host(gateway: Gateway, host: CountingHost) -> None:
    gateway.services.providers.add("counting", "openai", host.url, credential="sk-x", allow_private=True)
    prices = {"input_price": 1_000_000_000, "output_price": 2_000_000_000}
    gateway.services.models.add(NewModel("counted", "counting", cache_seconds=60, context_window=10_000, **prices))
    gateway.services.serve().catalogue.refresh()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"messages": HELLO}),
        (MESSAGES, {"messages": HELLO, "max_tokens": 50}),
        ("/v1/completions", {"prompt": "hello big world"}),
        ("/v1/responses", {"input": "hello big world", "store": False}),
        (EMBEDDINGS, {"input": ["a b", "c"]}),
    ],
)
def test_a_hit_is_the_same_reply_in_the_format_it_was_asked_for_in(
    kept: Gateway, path: str, body: dict[str, Any], stream: bool
) -> None:
    if path == EMBEDDINGS and stream:
        pytest.skip("embeddings do not stream")
    asked = {"model": "kept", **body, **({"stream": True} if stream else {})}
    first, second = kept.post(path, asked), kept.post(path, asked)
    assert (said(first), said(second)) == ("miss", "hit")
    assert second.get_data() == first.get_data()
    assert second.headers["content-type"] == first.headers["content-type"]
    assert second.headers["age"] == "0"
    assert second.headers["x-tollhouse-provider"] == "kept"
    assert second.headers["x-tollhouse-attempts"] == "0"


def test_a_hit_costs_nothing_and_says_what_it_saved(kept: Gateway) -> None:
    first, second = kept.post(CHAT, MODEL), kept.post(CHAT, MODEL)
    assert second.headers["x-tollhouse-cost-usd"] == "0"
    made, again = kept.rows(2)
    assert (made.cost, made.saved, made.attempts) == (9000, None, 1)
    assert (again.cost, again.saved, again.attempts, again.outcome, again.status) == (0, 9000, 0, "ok", 200)
    assert (again.input_tokens, again.output_tokens, again.provider) == (0, 0, "kept")
    assert again.request_id == second.headers["x-request-id"] != first.headers["x-request-id"]
    sums = kept.services.usage.by("model")["kept"].shown()
    assert (sums["requests"], sums["cached_requests"], sums["cost_usd"], sums["saved_usd"]) == (
        2,
        1,
        "0.000009",
        "0.000009",
    )
    assert kept.services.replay.run().agrees


def test_what_differs_only_in_the_order_of_names_is_the_same(kept: Gateway) -> None:
    assert said(kept.post(CHAT, {**MODEL, "temperature": 0, "top_p": 1})) == "miss"
    turned = {"top_p": 1, "temperature": 0, "messages": [{"content": "hello big world", "role": "user"}]}
    assert said(kept.post(CHAT, {**turned, "model": "kept", "stop": None, "stream": False})) == "hit"


@pytest.mark.parametrize(
    "other",
    [
        {"temperature": 1},
        {"messages": [{"role": "user", "content": "hello big  world"}]},
        {"user": "somebody"},
        {"seed": 2},
        {"max_tokens": 5},
    ],
)
def test_what_differs_otherwise_is_another(kept: Gateway, other: dict[str, Any]) -> None:
    assert said(kept.post(CHAT, {**MODEL, "temperature": 0})) == "miss"
    assert said(kept.post(CHAT, {**MODEL, "temperature": 0, **other})) == "miss"


def test_the_order_in_a_schema_counts_since_hosts_write_in_it(kept: Gateway) -> None:
    def asked(*names: str) -> dict[str, Any]:
        schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
        return {**MODEL, "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}}

    assert said(kept.post(CHAT, asked("why", "what"))) == "miss"
    assert said(kept.post(CHAT, asked("what", "why"))) == "miss"
    assert said(kept.post(CHAT, asked("why", "what"))) == "hit"


def test_no_team_gets_what_another_asked_for(kept: Gateway) -> None:
    assert said(kept.post(CHAT, MODEL)) == "miss"
    mate = kept.services.keys.create("mate").key
    assert said(kept.post(CHAT, MODEL, key=mate)) == "hit"
    team = kept.services.teams.create("others")
    other = kept.services.keys.create("other", team_id=team.id).key
    assert said(kept.post(CHAT, MODEL, key=other)) == "miss"
    assert said(kept.post(CHAT, MODEL, key=other)) == "hit"


def test_a_call_may_ask_for_it_where_the_model_says_nothing(gateway: Gateway) -> None:
    assert said(gateway.chat()) is None
    body = {"model": "echo", "messages": HELLO}
    assert [said(gateway.post(CHAT, body, headers=KEPT)) for _ in range(2)] == ["miss", "hit"]
    assert said(gateway.chat()) is None
    gateway.add_echo("never", "", cache_seconds=0)
    assert said(gateway.post(CHAT, {**body, "model": "never"}, headers=KEPT)) is None


def test_a_call_may_ask_for_a_new_reply_or_for_none_to_be_kept(kept: Gateway) -> None:
    control = [("no-store", None), ("", "miss"), ("no-store", None), ("no-cache", "miss"), ("private", "hit")]
    for text, expected in control:
        assert said(kept.post(CHAT, MODEL, headers={"cache-control": text})) == expected, text


def test_a_reply_is_given_again_until_it_is_older_than_was_asked_for(
    kept: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr(caching.time, "time", lambda: now)
    assert said(kept.post(CHAT, MODEL)) == "miss"
    now += 30
    again = kept.post(CHAT, MODEL)
    assert (said(again), again.headers["age"]) == ("hit", "30")
    assert said(kept.post(CHAT, MODEL, headers={"cache-control": "max-age=30"})) == "hit"
    assert said(kept.post(CHAT, MODEL, headers={"cache-control": "max-age=29"})) == "miss"
    now += 61
    assert said(kept.post(CHAT, MODEL)) == "miss"


def test_a_max_age_that_is_no_number_is_refused_by_name(kept: Gateway) -> None:
    response = kept.post(CHAT, MODEL, headers={"cache-control": "max-age=soon"})
    assert response.status_code == 400
    assert response.json["error"]["param"] == "cache-control"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"input": "hello"}),
        ("/v1/responses", {"input": "hello", "store": True}),
        (CHAT, {"messages": HELLO, "store": True}),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]}),
        (CHAT, {"messages": HELLO, "web_search_options": {}}),
        (CHAT, {"messages": HELLO, "tools": [{"type": "web_search"}]}),
    ],
)
def test_what_goes_on_from_something_kept_or_looks_around_is_not_given_again(
    kept: Gateway, path: str, body: dict[str, Any]
) -> None:
    for _ in range(2):
        response = kept.post(path, {"model": "kept", **body}, headers=KEPT)
        assert "x-tollhouse-cache" not in response.headers


@pytest.mark.parametrize("options", ["cut_after=2&words=9", "error_after=2&words=9", "status=503"])
def test_a_reply_that_failed_is_not_kept(gateway: Gateway, options: str) -> None:
    gateway.add_echo("broken", options, cache_seconds=60)
    for _ in range(2):
        response = gateway.chat(model="broken", stream=True)
        assert response.headers.get("x-tollhouse-cache") != "hit"
    assert all(row.outcome != "ok" and row.saved is None for row in gateway.rows(2))
    assert open_holds(gateway.services.database) == []


def test_a_hit_is_served_when_the_budget_is_spent_and_to_nobody_who_may_not_ask(kept: Gateway) -> None:
    body = {**MODEL, "max_tokens": 5}
    assert said(kept.post(CHAT, body)) == "miss"
    kept.rows(1)
    kept.services.budgets.set(("key", kept.key_id()), 1, "total")
    assert kept.post(CHAT, {**body, "max_tokens": 6}).status_code == 429
    assert said(kept.post(CHAT, body)) == "hit"
    narrow = kept.services.keys.create("narrow", models=["echo"]).key
    assert kept.post(CHAT, body, key=narrow).status_code == 403


def test_a_hit_is_limited_like_any_call(kept: Gateway) -> None:
    assert said(kept.post(CHAT, MODEL)) == "miss"
    key = kept.services.keys.create("limited")
    kept.services.limits.set(("key", key.id), {"rpm": 1})
    kept.services.serve().catalogue.refresh()
    assert said(kept.post(CHAT, MODEL, key=key.key)) == "hit"
    assert kept.post(CHAT, MODEL, key=key.key).status_code == 429


def test_what_a_host_said_is_forgotten_with_the_host(kept: Gateway) -> None:
    assert said(kept.post(CHAT, MODEL)) == "miss"
    kept.services.models.change("kept", {"upstream_model": "newer"})
    kept.services.serve().catalogue.refresh()
    assert said(kept.post(CHAT, MODEL)) == "miss"
    assert said(kept.post(CHAT, MODEL)) == "hit"


def test_fifty_who_ask_the_same_at_once_make_one_upstream_call(gateway: Gateway, host: CountingHost) -> None:
    add_host(gateway, host)
    start = threading.Barrier(50)

    def ask(_: int) -> TestResponse:
        start.wait()
        return gateway.post(CHAT, {"model": "counted", "messages": HELLO})

    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(ask, range(50)))
    assert host.seen["hello big world"] == 1
    assert len({reply.get_data() for reply in replies}) == 1
    assert sorted(said(reply) or "" for reply in replies) == ["hit"] * 49 + ["miss"]
    rows = gateway.rows(50)
    assert sum(row.cost or 0 for row in rows) == 17_000
    assert [row.saved for row in rows if row.saved is not None] == [17_000] * 49
    assert open_holds(gateway.services.database) == []


def test_when_the_first_of_many_fails_the_others_try_by_themselves(gateway: Gateway) -> None:
    gateway.add_echo("broken", "status=503&delay_ms=200", cache_seconds=60)
    start = threading.Barrier(4)

    def ask(_: int) -> int:
        start.wait()
        return gateway.chat(model="broken").status_code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(4))) == {503}
    rows = gateway.rows(4)
    assert [row.attempts for row in rows] == [1, 1, 1, 1]
    assert open_holds(gateway.services.database) == []
