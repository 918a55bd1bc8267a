"""Replies to similar questions: to which, to whom, and what is booked."""

from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.embedding_host import EmbeddingHost
from tests.gateway import CHAT, MESSAGES, Gateway
from tests.ledgers import open_holds
from tollhouse.services.caching import caching, embedding
from tollhouse.services.models.models import NewModel

ASKED = "how do I bake a loaf of very good bread"
SIMILAR = "how do I bake a loaf of really good bread"  # 9 of 10 words
OTHER = "how do I paint a house in very good time"
PRICES = {"input_price": 1_000_000_000, "output_price": 2_000_000_000}


@pytest.fixture
def host() -> Iterator[EmbeddingHost]:
    host = EmbeddingHost()
    yield host
    host.close()


@pytest.fixture
def kept(gateway: Gateway, host: EmbeddingHost) -> Gateway:
    """With a model whose replies are given to those who ask something similar."""
    gateway.services.providers.add("vectors", "openai", host.url, credential="sk-x", allow_private=True)
    gateway.services.models.add(NewModel("vectors", "vectors", context_window=1000, **PRICES))
    gateway.add_echo("kept", "", cache_seconds=60, cache_embedding_model="vectors", cache_similarity=0.88)
    return gateway


def ask(gateway: Gateway, text: str = ASKED, key: str | None = None, **fields: Any) -> TestResponse:
    body = {"model": "kept", "messages": [{"role": "user", "content": text}], **fields}
    response = gateway.post(CHAT, body, key=key)
    assert response.status_code == 200, response.get_data()
    return response


def said(response: TestResponse) -> tuple[str | None, str | None]:
    return response.headers.get("x-tollhouse-cache"), response.headers.get("x-tollhouse-similarity")


MISS, HIT, ALIKE = ("miss", None), ("hit", None), ("similar", "0.9")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, lambda text: {"messages": [{"role": "user", "content": text}]}),
        (CHAT, lambda text: {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]}),
        (MESSAGES, lambda text: {"messages": [{"role": "user", "content": text}], "max_tokens": 50}),
        ("/v1/responses", lambda text: {"input": text, "store": False}),
    ],
    ids=["chat", "chat in parts", "messages", "responses"],
)
def test_a_similar_question_gets_the_reply_to_the_first(kept: Gateway, path: str, body: Any, stream: bool) -> None:
    more = {"model": "kept", "stream": True} if stream else {"model": "kept"}
    first, second = (kept.post(path, {**body(text), **more}) for text in (ASKED, SIMILAR))
    assert (said(first), said(second)) == (MISS, ALIKE)
    assert second.get_data() == first.get_data()
    assert second.headers["content-type"] == first.headers["content-type"]
    assert (second.headers["age"], second.headers["x-tollhouse-attempts"]) == ("0", "0")


def test_what_is_less_similar_than_it_must_be_is_another_question(kept: Gateway) -> None:
    assert [said(ask(kept, text)) for text in (ASKED, OTHER)] == [MISS, MISS]
    kept.services.models.change("kept", {"cache_similarity": 0.91})
    kept.services.serve().catalogue.refresh()
    assert said(ask(kept, SIMILAR)) == MISS


def test_the_most_similar_question_counts(kept: Gateway) -> None:
    nearer = "how do I bake a loaf of really good bread now"
    assert [said(ask(kept, text)) for text in (ASKED, nearer)] == [MISS, MISS]
    second = ask(kept, SIMILAR)
    assert said(second) == ("similar", "0.9535")
    assert second.json["choices"][0]["message"]["content"] == nearer


def test_what_is_the_same_is_given_first_and_nobody_is_asked_for_a_vector(kept: Gateway, host: EmbeddingHost) -> None:
    assert [said(ask(kept)) for _ in range(3)] == [MISS, HIT, HIT]
    assert host.asked == [ASKED]


def test_what_was_similar_once_is_found_at_once_the_next_time(kept: Gateway, host: EmbeddingHost) -> None:
    assert [said(ask(kept, text)) for text in (ASKED, SIMILAR, SIMILAR)] == [MISS, ALIKE, ALIKE]
    assert host.asked == [ASKED, SIMILAR]


def test_what_was_similar_is_not_when_more_is_asked_for(kept: Gateway) -> None:
    assert [said(ask(kept, text)) for text in (ASKED, SIMILAR)] == [MISS, ALIKE]
    kept.services.models.change("kept", {"cache_similarity": 0.91})
    kept.services.serve().catalogue.refresh()
    assert [said(ask(kept, SIMILAR)) for _ in range(2)] == [MISS, HIT]


def test_nothing_is_similar_any_more_where_only_what_is_the_same_is_asked_for(kept: Gateway) -> None:
    assert [said(ask(kept, text)) for text in (ASKED, SIMILAR)] == [MISS, ALIKE]
    kept.services.models.change("kept", {"cache_embedding_model": None})
    kept.services.serve().catalogue.refresh()
    assert [said(ask(kept, text)) for text in (SIMILAR, ASKED)] == [MISS, HIT]


@pytest.mark.parametrize(
    "other",
    [
        {"temperature": 1},
        {"stream": True},
        {"user": "somebody"},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]},
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": SIMILAR}]},
        {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": SIMILAR}]},
        {"messages": [{"role": "user", "content": SIMILAR, "name": "bob"}]},
    ],
)
def test_all_but_the_last_turn_must_be_the_same(kept: Gateway, other: dict[str, Any]) -> None:
    assert said(ask(kept, temperature=0)) == MISS
    assert said(ask(kept, SIMILAR, **{"temperature": 0, **other})) == MISS
    assert said(ask(kept, SIMILAR, temperature=0)) == ALIKE


def test_questions_with_other_numbers_are_not_similar(kept: Gateway) -> None:
    texts = [f"how do I bake a loaf of very good bread in {many} minutes" for many in (40, 45)]
    assert [said(ask(kept, text)) for text in texts] == [MISS, MISS]
    assert said(ask(kept, texts[1].replace("very", "really")))[0] == "similar"


def test_no_team_gets_what_another_asked_for(kept: Gateway) -> None:
    assert said(ask(kept)) == MISS
    mate = kept.services.keys.create("mate").key
    assert said(ask(kept, SIMILAR, mate)) == ALIKE
    team = kept.services.teams.create("others")
    other = kept.services.keys.create("other", team_id=team.id).key
    assert said(ask(kept, SIMILAR, other)) == MISS
    assert said(ask(kept, ASKED, other)) == ALIKE


def test_the_embedding_is_booked_on_the_caller_and_the_reply_costs_nothing(kept: Gateway) -> None:
    key = kept.services.keys.create("payer")
    first, second = (ask(kept, text, key.key) for text in (ASKED, SIMILAR))
    assert second.headers["x-tollhouse-cost-usd"] == "0"
    rows = kept.rows(4)
    assert [(row.model, row.format, row.cost, row.saved, row.attempts) for row in rows] == [
        ("vectors", "embeddings", 10_000, None, 1),
        ("kept", "chat", 30_000, None, 1),
        ("vectors", "embeddings", 10_000, None, 1),
        ("kept", "chat", 0, 30_000, 0),
    ]
    assert {row.key_id for row in rows} == {key.id}
    ids = [row.request_id for row in rows]
    assert (ids[1], ids[3]) == (first.headers["x-request-id"], second.headers["x-request-id"])
    assert len(set(ids)) == 4
    assert kept.services.replay.run().agrees
    assert open_holds(kept.services.database) == []


def test_a_budget_that_refuses_the_embedding_does_not_refuse_the_call(kept: Gateway, host: EmbeddingHost) -> None:
    kept.services.budgets.set(("model", "vectors"), 1, "total")
    assert [said(ask(kept, text)) for text in (ASKED, SIMILAR, SIMILAR)] == [MISS, MISS, HIT]
    assert host.asked == []
    assert [row.model for row in kept.rows(3)] == ["kept"] * 3


def test_a_key_that_may_not_use_the_embedding_model_finds_what_is_the_same(kept: Gateway, host: EmbeddingHost) -> None:
    narrow = kept.services.keys.create("narrow", models=["kept"]).key
    assert [said(ask(kept, text, narrow)) for text in (ASKED, SIMILAR, SIMILAR)] == [MISS, MISS, HIT]
    assert host.asked == []


def test_a_host_that_fails_fails_no_call_and_is_let_be_for_a_while(kept: Gateway, host: EmbeddingHost) -> None:
    host.status = 500
    assert [said(ask(kept, f"{ASKED} {word}")) for word in "vwxyz"] == [MISS] * 5
    assert len(host.asked) == embedding.FAILURES


def test_a_host_that_is_well_again_is_asked_again(
    kept: Gateway, host: EmbeddingHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "REST_SECONDS", 0.0)
    host.status = 500
    assert [said(ask(kept, f"{ASKED} {word}")) for word in "vwxyz"] == [MISS] * 5
    host.status = 200
    assert [said(ask(kept, text)) for text in (ASKED, SIMILAR)] == [MISS, ALIKE]


def test_a_question_that_is_too_long_to_be_compared_is_not(kept: Gateway, host: EmbeddingHost) -> None:
    long = "bread " * 2000
    assert [said(ask(kept, text)) for text in (long, f"{long} now", long)] == [MISS, MISS, HIT]
    assert host.asked == []


@pytest.mark.parametrize(
    ("control", "expected"), [("no-store", None), ("no-cache", "miss"), ("max-age=0", "miss"), ("max-age=9", "similar")]
)
def test_a_call_opts_out_as_of_what_is_the_same(
    kept: Gateway, host: EmbeddingHost, control: str, expected: str | None
) -> None:
    ask(kept)
    body = {"model": "kept", "messages": [{"role": "user", "content": SIMILAR}]}
    response = kept.post(CHAT, body, headers={"cache-control": control})
    assert said(response)[0] == expected
    assert len(host.asked) == (2 if expected == "similar" else 1)


def test_a_reply_is_given_until_it_is_too_old(kept: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr(caching.time, "time", lambda: now)
    assert said(ask(kept)) == MISS
    now += 40
    again = ask(kept, SIMILAR)
    assert (said(again), again.headers["age"]) == (ALIKE, "40")
    now += 21
    assert said(ask(kept, SIMILAR)) == MISS


def test_without_the_setting_nothing_is_compared(gateway: Gateway, host: EmbeddingHost) -> None:
    gateway.add_echo("kept", "", cache_seconds=60)
    assert [said(ask(gateway, text)) for text in (ASKED, SIMILAR, ASKED)] == [MISS, MISS, HIT]
    assert host.asked == []


def test_vectors_of_another_upstream_model_are_not_compared(kept: Gateway) -> None:
    assert said(ask(kept)) == MISS
    kept.services.models.change("vectors", {"upstream_model": "newer"})
    kept.services.serve().catalogue.refresh()
    assert [said(ask(kept, SIMILAR)), said(ask(kept, f"{SIMILAR} please"))] == [MISS, ("similar", "0.9535")]
