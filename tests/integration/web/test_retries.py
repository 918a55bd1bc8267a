"""Attempts after the first: where they go, what they cost, what the caller sees."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway import CHAT, Gateway, settings_for
from tests.ledgers import open_holds
from tollhouse.domain.errors import UpstreamGone, UpstreamRejected
from tollhouse.domain.ports import Exchange, Outgoing
from tollhouse.domain.routes import Target
from tollhouse.services.models.deployment_terms import Terms
from tollhouse.services.models.deployments import NewDeployment
from tollhouse.services.models.routes import RouteTerms


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    made: list[Gateway] = []

    def gateway(**settings: Any) -> Gateway:
        given = {"retries": 2, "retry_pause_seconds": 0.02, **settings}
        made.append(Gateway(settings_for(tmp_path / str(len(made)), **given)))
        return made[-1]

    yield gateway
    for one in made:
        one.close()


class Failing:
    """Stands before the upstreams of a gateway: the first calls fail so, those after go through."""

    def __init__(self, gateway: Gateway, *errors: Exception) -> None:
        self.asked: list[str] = []
        self._errors = list(errors)
        upstreams = gateway.services._upstreams
        self._open = upstreams.open
        upstreams.open = self.open  # type: ignore[method-assign]

    def open(self, target: Target, outgoing: Outgoing) -> Exchange:
        self.asked.append(target.host.name)
        if self._errors:
            raise self._errors.pop(0)
        return self._open(target, outgoing)


def test_a_call_that_failed_is_sent_anew_and_the_caller_sees_the_answer(make: Callable[..., Gateway]) -> None:
    gateway = make()
    gateway.add_echo("m", "")
    failing = Failing(gateway, UpstreamRejected("x", status=503), UpstreamRejected("x", status=429))
    response = gateway.chat(model="m")
    assert (response.status_code, response.headers["x-tollhouse-attempts"]) == (200, "3")
    assert failing.asked == ["m"] * 3
    (row,) = gateway.rows()
    assert (row.attempt, row.attempts, row.status, row.cost) == (1, 3, 200, 9000)


def test_a_call_that_fails_for_good_is_told_the_providers_own_words_after_all_attempts(
    make: Callable[..., Gateway],
) -> None:
    gateway = make()
    gateway.add_echo("m", "status=529")
    failing = Failing(gateway)
    response = gateway.chat(model="m")
    assert response.status_code == 529
    assert len(failing.asked) == 3
    (row,) = gateway.rows()
    assert (row.attempts, row.cost, row.outcome) == (3, 0, "upstream_rejected")


def test_a_400_is_asked_once(make: Callable[..., Gateway]) -> None:
    gateway = make()
    gateway.add_echo("m", "status=400")
    failing = Failing(gateway)
    assert gateway.chat(model="m").status_code == 400
    assert failing.asked == ["m"]


def test_a_provider_that_says_when_to_come_back_is_asked_then(make: Callable[..., Gateway]) -> None:
    gateway = make()
    gateway.add_echo("m", "")
    Failing(gateway, UpstreamRejected("x", status=429, retry_after=0.4))
    began = time.monotonic()
    assert gateway.chat(model="m").status_code == 200
    assert 0.4 <= time.monotonic() - began < 2


def test_one_that_asks_for_longer_than_the_call_has_is_passed_on_with_its_wish(make: Callable[..., Gateway]) -> None:
    gateway = make(retry_seconds=2.0)
    gateway.add_echo("m", "status=429&retry_after=5")
    began = time.monotonic()
    response = gateway.chat(model="m")
    assert (response.status_code, response.headers["retry-after"]) == (429, "5")
    assert time.monotonic() - began < 2


def test_an_attempt_that_may_be_billed_is_a_row_of_its_own_and_the_next_has_a_hold_of_its_own(
    make: Callable[..., Gateway],
) -> None:
    gateway = make()
    gateway.add_echo("m", "")
    Failing(gateway, UpstreamRejected("x", status=503), UpstreamGone("cut"))
    response = gateway.chat(model="m")
    assert (response.status_code, response.headers["x-tollhouse-attempts"]) == (200, "3")
    lost, answered = sorted(gateway.rows(2), key=lambda row: row.attempt)
    assert (lost.attempt, lost.attempts, lost.status, lost.outcome, lost.estimated) == (1, 2, 0, "upstream_gone", True)
    assert lost.cost > 0
    assert (answered.attempt, answered.attempts, answered.status, answered.cost) == (3, 3, 200, 9000)
    assert lost.request_id == answered.request_id
    assert open_holds(gateway.services.database) == []
    assert gateway.services.usage.by("model")["m"].requests == 1


def test_where_nothing_more_can_be_held_the_attempt_that_may_be_billed_is_the_last(
    make: Callable[..., Gateway],
) -> None:
    gateway = make()
    gateway.add_echo("m", "")
    bound = 0.02
    gateway.services.budgets.set(("model", "m"), int(bound * 1e9), "day")
    gateway.services.serve().catalogue.refresh()
    failing = Failing(gateway, UpstreamGone("cut"))
    response = gateway.chat(model="m", max_tokens=9000)
    assert (response.status_code, failing.asked) == (502, ["m"])
    (row,) = gateway.rows()
    assert (row.outcome, row.attempts) == ("upstream_gone", 1)
    assert open_holds(gateway.services.database) == []


def test_what_fails_after_its_first_byte_is_not_sent_anew(make: Callable[..., Gateway]) -> None:
    gateway = make()
    gateway.add_echo("m", "words=9&cut_after=3")
    failing = Failing(gateway)
    said = gateway.chat(model="m", stream=True).get_data(as_text=True)
    assert "upstream_gone" in said
    assert failing.asked == ["m"]
    (row,) = gateway.rows()
    assert (row.attempts, row.outcome) == (1, "upstream_gone")


def test_a_defect_of_ours_is_not_sent_anew(make: Callable[..., Gateway]) -> None:
    gateway = make()
    gateway.add_echo("m", "")
    failing = Failing(gateway, ValueError("a bug"))
    assert gateway.chat(model="m").status_code == 500
    assert failing.asked == ["m"]
    assert gateway.rows()[0].outcome == "internal_error"


def test_what_is_too_long_for_one_model_goes_to_the_one_that_is_there_for_that(make: Callable[..., Gateway]) -> None:
    gateway = make()
    gateway.add_echo("short", "")
    gateway.add_echo("long", "", input_price=7_000_000_000)
    gateway.add_echo("brave", "")
    gateway.services.routes.set("short", RouteTerms(context_fallbacks=("long",), refusal_fallbacks=("brave",)))
    gateway.services.serve().catalogue.refresh()
    for body, provider in (
        (b'{"error":{"message":"too long","code":"context_length_exceeded"}}', "long"),
        (b'{"error":{"message":"no","code":"content_filter"}}', "brave"),
    ):
        before = len(gateway.rows(0))
        Failing(gateway, UpstreamRejected("x", status=400, body=body))
        response = gateway.chat(model="short")
        assert (response.status_code, response.headers["x-tollhouse-provider"]) == (200, provider)
        assert response.headers["x-tollhouse-attempts"] == "2"
        assert len(gateway.rows(before + 1)) == before + 1
        row = gateway.rows()[-1]
        assert (row.model, row.provider, row.attempt, row.attempts) == ("short", provider, 1, 2)
    assert open_holds(gateway.services.database) == []


def test_a_deployment_that_keeps_failing_is_left_alone_and_its_calls_go_elsewhere(
    make: Callable[..., Gateway],
) -> None:
    gateway = make(retries=0, breaker_failures=2, breaker_seconds=0.5)
    gateway.add_echo("m", "status=500")
    gateway.services.providers.add("spare", "echo", "echo:")
    gateway.services.deployments.add("m", NewDeployment("spare"))
    gateway.services.serve().catalogue.refresh()
    failing = Failing(gateway)
    for _ in range(4):
        assert gateway.chat(model="m").status_code == 200
    assert failing.asked == ["m", "spare", "m", "spare", "spare", "spare"]
    time.sleep(0.5)
    assert gateway.chat(model="m").headers["x-tollhouse-attempts"] == "2"
    assert failing.asked[-2:] == ["m", "spare"]


def test_a_model_whose_only_deployment_rests_is_refused_at_once_and_told_when_to_come_back(
    make: Callable[..., Gateway],
) -> None:
    gateway = make(retries=0, breaker_failures=1, breaker_seconds=30.0)
    gateway.add_echo("m", "status=500")
    assert gateway.chat(model="m").status_code == 500
    response = gateway.chat(model="m")
    assert (response.status_code, response.headers["retry-after"]) == (503, "30")
    assert response.json["error"]["code"] == "deployment_resting"
    refused = gateway.rows(2)[-1]
    assert (refused.cost, refused.attempts, refused.outcome) == (0, 0, "deployment_resting")


def test_a_deployments_own_limit_sends_what_is_over_it_elsewhere(make: Callable[..., Gateway]) -> None:
    gateway = make(retries=0)
    gateway.add_echo("m", "")
    gateway.services.providers.add("spare", "echo", "echo:")
    gateway.services.routes.set("m", RouteTerms(terms=Terms(rpm=2)))
    gateway.services.deployments.add("m", NewDeployment("spare", terms=Terms(rpm=1)))
    gateway.services.serve().catalogue.refresh()
    answers = [gateway.chat(model="m") for _ in range(4)]
    assert [one.headers.get("x-tollhouse-provider") for one in answers] == ["m", "m", "spare", None]
    assert answers[-1].status_code == 429
    assert answers[-1].json["error"]["code"] == "deployment_full"
    assert int(answers[-1].headers["retry-after"]) > 1


def test_of_a_deployments_own_limit_batch_work_leaves_a_quarter_to_who_waits(make: Callable[..., Gateway]) -> None:
    gateway = make(retries=0)
    gateway.add_echo("m", "")
    gateway.services.routes.set("m", RouteTerms(terms=Terms(rpm=4)))
    batch = gateway.services.keys.create("batch", priority="batch").key
    gateway.services.serve().catalogue.refresh()
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    answers = [gateway.post(CHAT, body, key=key) for key in (batch, batch, batch, batch, None, None)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429, 200, 429]
    assert {answers[at].json["error"]["code"] for at in (3, 5)} == {"deployment_full"}


@pytest.mark.parametrize("way", ["close", "read"])
def test_a_client_that_leaves_is_booked_at_what_came_or_at_what_the_provider_says(
    make: Callable[..., Gateway], way: str
) -> None:
    gateway = make(client_gone=way)
    gateway.add_echo("m", "words=12&chunk_ms=10")
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    headers = {"authorization": f"Bearer {gateway.key}"}
    response = gateway.app.test_client().post(CHAT, json=body, headers=headers)
    next(iter(response.response))
    response.close()
    (row,) = gateway.rows()
    assert row.outcome == "client_gone"
    assert (row.output_tokens == 12, row.estimated) == ((True, False) if way == "read" else (False, True))
    assert open_holds(gateway.services.database) == []


def test_a_models_own_deadlines_go_before_the_settings(make: Callable[..., Gateway]) -> None:
    gateway = make(retries=0)
    gateway.add_echo("m", "words=9&chunk_ms=40")
    gateway.add_echo("slow", "delay_ms=3000")
    gateway.services.routes.set("m", RouteTerms(total_seconds=0.15))
    gateway.services.routes.set("slow", RouteTerms(first_byte_seconds=0.1))
    gateway.services.serve().catalogue.refresh()
    said = gateway.chat(model="m", stream=True).get_data(as_text=True)
    assert "total deadline" in said
    began = time.monotonic()
    response = gateway.chat(model="slow")
    assert (response.status_code, response.json["error"]["code"]) == (504, "upstream_timeout")
    assert time.monotonic() - began < 1.5
