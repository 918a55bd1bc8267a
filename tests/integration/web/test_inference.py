"""Calls through the whole pipeline, to the echo provider: what the caller gets, and what is booked."""

import base64
import json
from pathlib import Path

import pytest

from tests.gateway import CHAT, EMBEDDINGS, MESSAGES, Gateway, settings_for
from tests.ledgers import open_holds, sums
from tollhouse.domain.ports import Exchange, Outgoing
from tollhouse.domain.routes import Target
from tollhouse.services.models.deployments import NewDeployment
from tollhouse.services.models.models import NewModel
from tollhouse.services.models.routes import RouteTerms


def test_a_whole_completion_is_answered_priced_and_booked(gateway: Gateway) -> None:
    gateway.add_echo("priced", "")
    response = gateway.chat(model="priced")
    assert response.json["choices"][0]["message"]["content"] == "hello big world"
    assert response.headers["x-tollhouse-model"] == "priced"
    assert response.headers["x-tollhouse-provider"] == "priced"
    assert response.headers["x-tollhouse-attempts"] == "1"
    assert response.headers["x-tollhouse-cost-usd"] == "0.000009"
    (row,) = gateway.rows()
    assert row.request_id == response.headers["x-request-id"]
    assert (row.key_id, row.model, row.provider, row.upstream_model) == (gateway.key_id(), "priced", "priced", "echo")
    assert (row.format, row.streamed, row.status, row.outcome, row.attempts) == ("chat", False, 200, "ok", 1)
    assert (row.input_tokens, row.cache_read_tokens, row.cache_write_tokens, row.output_tokens) == (3, 0, 0, 3)
    assert (row.input_price, row.output_price, row.cost) == (1_000_000_000, 2_000_000_000, 9000)
    assert row.latency_us > 0
    assert not row.estimated


def test_a_streamed_completion_has_no_usage_event_that_the_caller_did_not_ask_for(gateway: Gateway) -> None:
    response = gateway.chat(stream=True)
    events = [line for line in response.get_data(as_text=True).split("\n\n") if line]
    assert events[-1] == "data: [DONE]"
    assert all(json.loads(event[6:])["choices"] for event in events[:-1])
    (row,) = gateway.rows()
    assert (row.streamed, row.output_tokens, row.estimated) == (True, 3, False)
    assert row.first_token_us is not None


def test_a_streamed_completion_has_the_usage_event_that_the_caller_asked_for(gateway: Gateway) -> None:
    response = gateway.chat(stream=True, stream_options={"include_usage": True})
    events = response.get_data(as_text=True).split("\n\n")
    assert json.loads(events[-3][6:])["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize("stream", [False, True])
def test_a_message_is_answered_and_booked(gateway: Gateway, stream: bool) -> None:
    body = {"model": "echo", "max_tokens": 50, "messages": [{"role": "user", "content": "one two"}], "stream": stream}
    response = gateway.post(MESSAGES, body)
    assert "one" in response.get_data(as_text=True)
    (row,) = gateway.rows()
    assert (row.format, row.streamed, row.input_tokens, row.output_tokens) == ("messages", stream, 2, 2)


def test_embeddings_are_passed_through_in_either_encoding(gateway: Gateway) -> None:
    plain = gateway.post(EMBEDDINGS, {"model": "echo", "input": ["a b", "c"]})
    packed = gateway.post(EMBEDDINGS, {"model": "echo", "input": ["a b", "c"], "encoding_format": "base64"})
    assert len(plain.json["data"]) == 2
    assert len(base64.b64decode(packed.json["data"][0]["embedding"])) == 4 * len(plain.json["data"][0]["embedding"])
    assert [row.output_tokens for row in gateway.rows(2)] == [0, 0]


def test_unknown_fields_are_forwarded(gateway: Gateway) -> None:
    assert gateway.chat(a_field_of_next_year={"x": 1}).status_code == 200


def test_a_stream_that_is_cut_ends_in_an_error_event_and_is_booked_at_what_came(gateway: Gateway) -> None:
    gateway.add_echo("cut", "cut_after=3&words=50")
    response = gateway.chat(model="cut", stream=True)
    text = response.get_data(as_text=True)
    assert "[DONE]" not in text
    last = json.loads(text.strip().split("\n\n")[-1][6:])
    assert last["error"]["code"] == "upstream_gone"
    (row,) = gateway.rows()
    assert (row.status, row.outcome, row.estimated) == (200, "upstream_gone", True)
    assert 1 <= row.output_tokens <= 3
    assert row.cost == row.input_tokens * 1000 + row.output_tokens * 2000


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_providers_own_error_event_is_the_only_one(gateway: Gateway, path: str) -> None:
    gateway.add_echo("failing", "error_after=2&words=50")
    body = {"model": "failing", "max_tokens": 50, "messages": [{"role": "user", "content": "x"}], "stream": True}
    events = gateway.post(path, body).get_data(as_text=True).strip().split("\n\n")
    assert [event for event in events if '"error"' in event] == events[-1:]
    (row,) = gateway.rows()
    assert (row.outcome, row.estimated) == ("upstream_error", True)


def test_a_whole_reply_that_breaks_off_is_a_502_booked_at_what_came(gateway: Gateway) -> None:
    gateway.add_echo("cut", "cut_after=1&words=500")
    response = gateway.chat(model="cut")
    assert (response.status_code, response.json["error"]["code"]) == (502, "upstream_gone")
    (row,) = gateway.rows()
    assert (row.status, row.outcome, row.estimated) == (502, "upstream_gone", True)
    assert row.input_tokens > 0
    assert row.output_tokens > 10


def test_a_cut_message_stream_ends_in_anthropics_error_event(gateway: Gateway) -> None:
    gateway.add_echo("cut", "cut_after=5&words=50")
    body = {"model": "cut", "max_tokens": 50, "messages": [{"role": "user", "content": "x"}], "stream": True}
    text = gateway.post(MESSAGES, body).get_data(as_text=True)
    assert text.strip().split("\n\n")[-1].startswith("event: error\n")
    assert "message_stop" not in text
    assert gateway.rows()[0].input_tokens == 1


def test_a_client_that_leaves_in_the_middle_leaves_its_row(gateway: Gateway) -> None:
    gateway.add_echo("long", "words=500")
    headers = {"authorization": f"Bearer {gateway.key}"}
    body = {"model": "long", "stream": True, "messages": [{"role": "user", "content": "x"}]}
    response = gateway.app.test_client().post(CHAT, json=body, headers=headers, buffered=False)
    for _ in range(20):
        next(response.iter_encoded())
    response.close()
    (row,) = gateway.rows()
    assert (row.outcome, row.estimated) == ("client_gone", True)
    assert 10 <= row.output_tokens <= 20
    assert open_holds(gateway.services.database) == []


def test_a_client_that_leaves_before_the_first_byte_leaves_its_row(gateway: Gateway) -> None:
    headers = {"authorization": f"Bearer {gateway.key}"}
    body = {"model": "echo", "stream": True, "messages": [{"role": "user", "content": "x"}]}
    gateway.app.test_client().post(CHAT, json=body, headers=headers, buffered=False).close()
    (row,) = gateway.rows()
    assert row.outcome == "client_gone"


@pytest.mark.parametrize(("status", "seen"), [(400, 400), (429, 429), (500, 500), (529, 529), (401, 502), (403, 502)])
def test_a_providers_refusal_costs_nothing(gateway: Gateway, status: int, seen: int) -> None:
    gateway.add_echo("failing", f"status={status}")
    response = gateway.chat(model="failing")
    assert response.status_code == seen
    assert "error" in response.json
    (row,) = gateway.rows()
    assert (row.status, row.cost, row.outcome) == (seen, 0, "upstream_rejected")
    assert open_holds(gateway.services.database) == []


def test_a_fallback_answers_where_the_first_choice_fails(gateway: Gateway) -> None:
    gateway.add_echo("spare", "")
    gateway.add_echo("failing", "status=503", fallbacks=("spare",))
    response = gateway.chat(model="failing")
    assert response.status_code == 200
    assert response.headers["x-tollhouse-provider"] == "spare"
    assert response.headers["x-tollhouse-attempts"] == "2"
    (row,) = gateway.rows()
    assert (row.model, row.provider, row.attempts, row.cost) == ("failing", "spare", 2, 9000)


def test_a_call_by_an_alias_or_a_star_is_answered_by_that_name_and_booked_as_the_model(gateway: Gateway) -> None:
    gateway.services.providers.add("parrot", "echo", "echo:")
    prices = {"input_price": 1_000_000_000, "output_price": 2_000_000_000}
    gateway.services.models.add(NewModel("parrot/*", "parrot", **prices))
    gateway.services.models.add(NewModel("real", "parrot", **prices))
    gateway.services.routes.set("real", RouteTerms(aliases=("nick",)))
    gateway.services.serve().catalogue.refresh()
    for asked, booked, upstream in (("nick", "real", "real"), ("parrot/grey", "parrot/*", "grey")):
        before = len(gateway.rows(0))
        response = gateway.chat(model=asked)
        assert response.status_code == 200
        row = gateway.rows(before + 1)[-1]
        assert (row.model, row.upstream_model, row.cost) == (booked, upstream, 9000)
    listed = [one["id"] for one in gateway.get("/v1/models").json["data"]]
    assert "nick" in listed
    assert "parrot/*" not in listed
    assert gateway.chat(model="parrot/").status_code == 404


def test_a_session_stays_at_one_deployment(gateway: Gateway) -> None:
    gateway.add_echo("one", "")
    for name in ("two", "three", "four"):
        gateway.services.providers.add(name, "echo", "echo:")
        gateway.services.deployments.add("one", NewDeployment(name))
    gateway.services.routes.set("one", RouteTerms("weighted", "session"))
    gateway.services.serve().catalogue.refresh()
    message = {"model": "one", "messages": [{"role": "user", "content": "hi"}]}

    def provider(session: str) -> str:
        return gateway.post(CHAT, message, headers={"X-Tollhouse-Session": session}).headers["x-tollhouse-provider"]

    assert len({provider("mine") for _ in range(8)}) == 1
    assert len({provider(f"s{number}") for number in range(12)}) > 1


def test_an_upstream_that_is_silent_is_given_up_and_what_it_may_bill_is_booked(tmp_path: Path) -> None:
    gateway = Gateway(settings_for(tmp_path, idle_seconds=0.3))
    gateway.add_echo("silent", "silent_after=2&words=9")
    response = gateway.chat(model="silent", stream=True)
    assert "upstream_timeout" in response.get_data(as_text=True)
    (row,) = gateway.rows()
    assert (row.outcome, row.estimated) == ("upstream_timeout", True)
    gateway.close()


def test_under_a_hard_budget_an_absent_cap_is_put_in_and_said(gateway: Gateway) -> None:
    gateway.add_echo("priced", "words=500", max_output=40)
    assert "x-tollhouse-output-cap" not in gateway.chat(model="priced").headers
    gateway.services.budgets.set(("key", gateway.key_id()), 10**9, "day")
    gateway.rows(1)
    response = gateway.chat(model="priced")
    assert response.headers["x-tollhouse-output-cap"] == "40"
    assert response.json["usage"]["completion_tokens"] == 40
    explicit = gateway.chat(model="priced", max_tokens=7)
    assert "x-tollhouse-output-cap" not in explicit.headers
    assert explicit.json["usage"]["completion_tokens"] == 7


def test_two_caps_do_not_get_a_call_past_a_hard_budget(gateway: Gateway) -> None:
    gateway.add_echo("priced", "words=500")
    gateway.services.budgets.set(("key", gateway.key_id()), 2_000_000, "day")
    gateway.chat(model="priced", max_tokens=1, max_completion_tokens=400)
    gateway.chat(model="priced", max_completion_tokens=1, max_tokens=400)
    gateway.rows(2)
    assert sum(sums(gateway.services.database)) <= 2_000_000


def test_a_models_own_limit_is_written_where_it_bounds_what_is_held(gateway: Gateway) -> None:
    gateway.add_echo("short", "words=500", max_output=10)
    gateway.services.budgets.set(("key", gateway.key_id()), 10**9, "day")
    response = gateway.chat(model="short", max_tokens=300)
    assert response.headers["x-tollhouse-output-cap"] == "10"
    assert response.json["usage"]["completion_tokens"] == 10


def test_a_stream_is_booked_alike_however_its_chunks_arrive(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway.add_echo("failing", "error_after=5&words=50")
    gateway.chat(model="failing", stream=True)
    upstreams = gateway.services._upstreams
    opened = upstreams.open

    def at_once(target: Target, outgoing: Outgoing) -> Exchange:
        exchange = opened(target, outgoing)
        rest = iter([b"".join(iter(exchange.read, b"")), b""])
        monkeypatch.setattr(exchange, "read", lambda: next(rest), raising=False)
        return exchange

    monkeypatch.setattr(upstreams, "open", at_once)
    gateway.chat(model="failing", stream=True)
    apart, together = gateway.rows(2)
    assert (apart.status, apart.outcome, apart.cost) == (together.status, together.outcome, together.cost)
    assert apart.output_tokens == together.output_tokens > 0


def test_audio_has_no_bound_at_list_prices(gateway: Gateway) -> None:
    gateway.services.budgets.set(("key", gateway.key_id()), 10**9, "day")
    audio = [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]
    response = gateway.post(CHAT, {"model": "echo", "messages": [{"role": "user", "content": audio}]})
    assert response.json["error"]["code"] == "insufficient_quota"


def test_a_spent_budget_refuses_in_a_way_that_no_sdk_tries_again(gateway: Gateway) -> None:
    gateway.add_echo("priced", "")
    gateway.services.budgets.set(("key", gateway.key_id()), 1000, "day")
    response = gateway.chat(model="priced", max_tokens=5)
    assert (response.status_code, response.json["error"]["code"]) == (429, "insufficient_quota")
    assert response.headers["x-should-retry"] == "false"
    body = {"model": "priced", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
    response = gateway.post(MESSAGES, body)
    assert (response.status_code, response.json["error"]["type"]) == (402, "billing_error")
    assert response.headers["x-should-retry"] == "false"
    assert open_holds(gateway.services.database) == []


def test_a_hard_budget_refuses_a_model_without_a_price(gateway: Gateway) -> None:
    gateway.services.providers.add("somewhere", "echo", "echo:?words=1")
    gateway.services.models.add(NewModel("unpriced", "somewhere"))
    gateway.services.serve().catalogue.refresh()
    response = gateway.chat(model="unpriced", max_tokens=5)
    assert response.status_code == 200
    assert "x-tollhouse-cost-usd" not in response.headers
    assert gateway.rows()[0].cost is None
    gateway.services.budgets.set(("key", gateway.key_id()), 10**12, "day")
    assert gateway.chat(model="unpriced", max_tokens=5).status_code == 429
    assert sums(gateway.services.database)[1] == 0


def test_usage_adds_the_ledger_up(gateway: Gateway) -> None:
    gateway.add_echo("priced", "")
    for _ in range(3):
        gateway.chat(model="priced")
    gateway.chat()
    gateway.rows(4)
    by_model = gateway.services.usage.by("model")
    assert by_model["priced"].requests == 3
    assert by_model["priced"].cost == 27000
    assert (by_model["echo"].requests, by_model["echo"].cost) == (1, 0)


def test_tags_of_a_call_are_held_to_their_budgets_and_booked(gateway: Gateway) -> None:
    gateway.add_echo("priced", "")
    gateway.services.budgets.set(("tag", "blue"), 1, "day")
    headers = {"X-Tollhouse-Tags": "Red, blue"}
    body = {"model": "priced", "messages": [{"role": "user", "content": "x"}]}
    refused = gateway.post(CHAT, body, headers=headers)
    assert (refused.status_code, refused.json["error"]["code"]) == (429, "insufficient_quota")
    assert "the tag 'blue'" in refused.json["error"]["message"]
    assert gateway.post(CHAT, body, headers={"X-Tollhouse-Tags": "Red,,"}).status_code == 200
    (row,) = gateway.rows()
    assert row.tags == ",red,"


def test_tags_that_are_none_are_refused_by_the_name_of_the_header(gateway: Gateway) -> None:
    refused = gateway.post(
        CHAT,
        {"model": "echo", "messages": [{"role": "user", "content": "x"}]},
        headers={"X-Tollhouse-Tags": "two words"},
    )
    assert (refused.status_code, refused.json["error"]["param"]) == (400, "X-Tollhouse-Tags")
