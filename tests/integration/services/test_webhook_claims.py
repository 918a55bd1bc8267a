"""Deliveries on both databases: each taken by one process at a time, tried again as the schedule says, ended once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.webhooks import COMPLETED, World
from tollhouse.domain.webhooks import Event
from tollhouse.services.troubles.survey import Survey
from tollhouse.services.webhooks.claims import AT_ONCE_EACH, DIED, LOGGED, PAUSES, Lost, Went
from tollhouse.services.webhooks.health import LEAST_FAILURES
from tollhouse.store.database import Database

URL = "https://hooks.example.com/x"
ARRIVED, FAILED = Went(5, 204), Went(7, 500)


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def test_the_schedule_is_eight_attempts_in_a_day() -> None:
    assert PAUSES[:6] == tuple(timedelta(seconds=s) for s in (5, 300, 1800, 7200, 18000, 36000))
    assert sum(PAUSES, timedelta(0)) == timedelta(hours=24, seconds=5)


def test_each_is_taken_by_one_of_those_who_ask_at_once(world: World) -> None:
    hook = world.hook(URL)
    world.tell(*[COMPLETED] * 6)
    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(lambda owner: world.claims(owner).claim(6), "abcd"))
    ids = [claim.id for claims in taken for claim in claims]
    assert len(ids) == len(set(ids)), "one was taken twice"
    rest = [claim.id for claim in world.claims("e").claim(6)]
    assert sorted(ids + rest) == [one.id for one in world.of(hook)]


def test_it_has_all_that_an_attempt_needs(world: World) -> None:
    hook = world.hook(URL)
    world.tell()
    (claim,) = world.claims().claim(9)
    (delivery,) = world.of(hook)
    assert (claim.url, claim.event_id, claim.attempt, claim.failures) == (URL, delivery.event_id, 1, 0)
    assert [world.vault.unseal(one) for one in claim.secrets] == [hook.signing_secret]
    assert delivery.state == "sending"


def test_what_arrived_is_over(world: World) -> None:
    hook = world.hook(URL)
    world.tell()
    claims = world.claims()
    (claim,) = claims.claim(9)
    assert claims.finish(claim, ARRIVED) is None
    (delivery,) = world.of(hook)
    assert (delivery.state, delivery.attempts, delivery.next_attempt_at) == ("delivered", 1, None)
    assert delivery.ended_at is not None
    assert [(one["status"], one["error"], one["milliseconds"]) for one in delivery.log] == [(204, None, 5)]
    world.pass_time(days=2)
    assert claims.claim(9) == []


def test_what_failed_is_tried_again_until_the_day_is_over(world: World) -> None:
    hook = world.hook(URL)
    world.tell()
    claims = world.claims()
    for pause in PAUSES:
        (claim,) = claims.claim(9)
        claims.finish(claim, FAILED)
        assert claims.claim(9) == []
        world.pass_time(seconds=pause.total_seconds() * 0.89)
        assert claims.claim(9) == [], pause
        world.pass_time(seconds=pause.total_seconds() * 0.22)
    (claim,) = claims.claim(9)
    claims.finish(claim, FAILED)
    (delivery,) = world.of(hook)
    assert (delivery.state, delivery.attempts, len(delivery.log)) == ("failed", 8, 8)
    world.pass_time(days=9)
    assert claims.claim(9) == []


def test_a_receiver_may_ask_for_more_time_but_not_for_less(world: World) -> None:
    world.hook(URL)
    world.tell()
    claims = world.claims()
    (claim,) = claims.claim(9)
    claims.finish(claim, Went(1, 429, retry_after=100.0))
    world.pass_time(seconds=99)
    assert claims.claim(9) == []
    world.pass_time(seconds=2)
    (claim,) = claims.claim(9)
    claims.finish(claim, Went(1, 503, retry_after=1.0))
    world.pass_time(seconds=260)
    assert claims.claim(9) == []
    world.pass_time(seconds=100)
    (claim,) = claims.claim(9)
    claims.finish(claim, Went(1, 503, retry_after=10.0**9))
    world.pass_time(hours=12, seconds=1)
    assert len(claims.claim(9)) == 1


def test_one_that_a_dead_process_had_is_taken_up_again_and_what_comes_late_changes_nothing(world: World) -> None:
    hook = world.hook(URL)
    world.tell()
    dead, alive = world.claims("dead"), world.claims("alive")
    (lost,) = dead.claim(9)
    assert alive.claim(9) == []
    world.pass_time(seconds=31)
    assert alive.any_due()
    (claim,) = alive.claim(9)
    assert (claim.id, claim.attempt, claim.failures, claim.died) == (lost.id, 2, 1, True)
    with pytest.raises(Lost):
        dead.finish(lost, FAILED)
    with pytest.raises(Lost):
        dead.give_back(lost, 1.0)
    alive.finish(claim, ARRIVED)
    with pytest.raises(Lost):
        dead.finish(lost, FAILED)
    (delivery,) = world.of(hook)
    assert delivery.state == "delivered"
    assert [(one["attempt"], one["status"], one["error"]) for one in delivery.log] == [(1, None, DIED), (2, 204, None)]


def test_one_that_nobody_could_attempt_waits_and_has_not_failed(world: World) -> None:
    hook = world.hook(URL)
    world.tell()
    claims = world.claims()
    (claim,) = claims.claim(9)
    claims.give_back(claim, 10.0)
    assert claims.claim(9) == []
    assert not claims.any_due()
    assert claims.any_due(within=11.0)
    world.pass_time(seconds=11)
    (claim,) = claims.claim(9)
    assert claim.failures == 0
    assert world.show(hook).failures == 0


def test_no_receiver_has_all_places(world: World) -> None:
    busy, other = world.hook(URL, "batch.completed"), world.hook(URL, "batch.failed")
    world.tell(*[COMPLETED] * 20, Event("batch.failed", "team_default", {"id": "b"}))
    claims = world.claims()
    first = claims.claim(32)
    assert sum(one.webhook_id == busy.id for one in first) == AT_ONCE_EACH
    assert sum(one.webhook_id == other.id for one in first) == 1
    assert claims.claim(32) == [], "those that are under way count"
    assert world.claims("b").claim(32) == [], "also for other processes"
    claims.finish(first[0], ARRIVED)
    assert len(claims.claim(32)) == 1


def test_few_places_are_shared_and_the_oldest_comes_first(world: World) -> None:
    hooks = [world.hook(URL) for _ in range(3)]
    world.tell(*[COMPLETED] * 4)
    taken = world.claims().claim(6)
    assert {hook.id: sum(one.webhook_id == hook.id for one in taken) for hook in hooks} == dict.fromkeys(
        (hook.id for hook in hooks), 2
    )
    for hook in hooks:
        states = [one.state for one in world.of(hook)]
        assert states == ["sending", "sending", "waiting", "waiting"]


def test_what_waits_for_a_webhook_that_was_disabled_goes_on_when_it_is_enabled(world: World) -> None:
    hook = world.hook(URL)
    world.tell()
    world.webhooks.change(hook.id, {"enabled": False})
    claims = world.claims()
    assert not claims.any_due()
    assert claims.claim(9) == []
    world.webhooks.change(hook.id, {"enabled": True})
    assert claims.any_due()
    assert len(claims.claim(9)) == 1


def test_what_waits_is_counted_and_its_age_told_but_not_of_those_that_are_disabled(world: World) -> None:
    hook, asleep = world.hook(URL), world.hook(URL)
    world.tell()
    claims = world.claims()
    for claim in claims.claim(9):
        claims.finish(claim, FAILED)
    world.webhooks.change(asleep.id, {"enabled": False})
    retry = Survey(world.database).run().queues["webhooks"]
    assert (retry.depth, retry.age) == (1, 0.0), "it is not due"
    world.pass_time(seconds=100)
    late = Survey(world.database).run().queues["webhooks"]
    assert late.depth == 1
    assert 90 < late.age < 400
    world.webhooks.change(hook.id, {"enabled": False})
    assert Survey(world.database).run().queues["webhooks"].depth == 0


def test_the_log_has_the_latest_attempts(world: World) -> None:
    hook = world.hook(URL)
    world.tell()
    claims = world.claims()
    for _ in range(LOGGED + 3):
        world.due_now()
        (claim,) = claims.claim(9)
        claims.finish(claim, FAILED)
        world.deliveries.redeliver(hook.id, claim.id)
    (delivery,) = world.of(hook)
    assert len(delivery.log) == LOGGED
    assert all(after["attempt"] == before["attempt"] + 1 for before, after in pairwise(delivery.log))
    assert delivery.log[-1]["attempt"] == LOGGED + 3


# --- Disabling -----------------------------------------------------------------------------------------------------


def fail(world: World, times: int) -> list[object]:
    """So many attempts in a row; what each of them disabled."""
    claims, disabled = world.claims(), []
    for _ in range(times):
        world.due_now()
        (claim,) = claims.claim(1)
        disabled.append(claims.finish(claim, FAILED))
    return disabled


def test_a_receiver_that_says_it_is_gone_is_disabled_at_once_and_others_are_told(world: World) -> None:
    hook, other = world.hook(URL, "batch.completed"), world.hook(URL, "webhook.disabled")
    world.tell()
    claims = world.claims()
    (claim,) = claims.claim(9)
    disabled = claims.finish(claim, Went(3, 410))
    assert disabled is not None
    assert (disabled.id, disabled.reason) == (hook.id, "gone")
    assert world.of(hook)[0].state == "failed"
    shown = world.show(hook)
    assert (shown.enabled, shown.disabled_for) == (False, "gone")
    (told,) = world.of(other)
    assert told.payload["data"] == {"id": hook.id, "name": "a hook", "reason": "gone", "failures": 1}


def test_days_of_failures_disable_it_once(world: World) -> None:
    hook = world.hook(URL)
    world.tell(*[COMPLETED] * 5)
    assert fail(world, LEAST_FAILURES) == [None] * LEAST_FAILURES
    assert world.show(hook).failures == LEAST_FAILURES
    world.pass_time(days=5, seconds=1)
    (disabled,) = fail(world, 1)
    assert disabled is not None
    shown = world.show(hook)
    assert (shown.enabled, shown.disabled_for) == (False, "failing")
    enabled = world.webhooks.change(hook.id, {"enabled": True})
    assert (enabled.enabled, enabled.disabled_for, enabled.failures, enabled.failing_since) == (True, None, 0, None)


def test_neither_days_with_few_failures_nor_many_failures_in_an_hour_disable_it(world: World) -> None:
    hook = world.hook(URL)
    world.tell(*[COMPLETED] * 9)
    fail(world, 2)
    world.pass_time(days=9)
    assert fail(world, 1) == [None]
    assert world.show(hook).enabled


def test_one_that_arrives_begins_the_count_anew(world: World) -> None:
    hook = world.hook(URL)
    world.tell(*[COMPLETED] * 4)
    fail(world, LEAST_FAILURES + 2)
    world.due_now()
    claims = world.claims()
    (claim,) = claims.claim(1)
    claims.finish(claim, ARRIVED)
    shown = world.show(hook)
    assert (shown.failures, shown.failing_since) == (0, None)
    world.pass_time(days=9)
    assert fail(world, 1) == [None]


def test_one_that_was_removed_meanwhile_ends_quietly(world: World) -> None:
    hook = world.hook(URL)
    world.tell()
    claims = world.claims()
    (claim,) = claims.claim(9)
    world.webhooks.remove(hook.id)
    assert claims.finish(claim, FAILED) is None
    assert world.deliveries.expire() == 1
