"""What a dead process left open is booked once, at what is known; and corrected once if more becomes known."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.ledgers import booked, make_key, open_holds, order, settlement, sums, writer_of
from tests.running import wait_until
from tollhouse.domain.ledger import PROCESS_DIED, Entry, Hold, HoldOrder, Settlement
from tollhouse.domain.money import Prices
from tollhouse.domain.usage import Usage
from tollhouse.services.calls.recovery import Recovery
from tollhouse.services.money.budgets import Budgets
from tollhouse.services.reports.usage import UsageReport
from tollhouse.store.database import Database
from tollhouse.store.instances import Instance
from tollhouse.store.ledger.writer import LedgerWriter
from tollhouse.store.records import HoldRecord, LeaseRecord
from tollhouse.store.searches import Searches

PRICES = Prices(1_000_000, 1_000_000, 1_000_000, 2_000_000)


class Mortal:
    """A process with a ledger writer. `die` is what kill -9 does: nothing runs any more, and its life ends."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.writer = writer_of(database)
        self.writer.start()

    def hold(self, wanted: HoldOrder, known: Callable[[], Entry | None] = lambda: None) -> Hold:
        hold = self.writer.hold(wanted)
        self.writer.follow(hold, known)
        return hold

    def die(self) -> None:
        instance: Instance = self.writer._instance
        self.writer.stop()
        if self.database.dialect == "sqlite":
            instance._life.end(instance.id)
        else:
            with self.database.write() as session:
                gone = database_past(self.database)
                session.execute(update(LeaseRecord).where(LeaseRecord.name == instance.id).values(until=gone))


def database_past(database: Database) -> object:
    with database.read() as session:
        return database.now(session) - timedelta(seconds=1)


def sweep(database: Database, unknown: str = "input") -> int:
    """A sweep of somebody who has watched for long enough."""
    recovery = Recovery(database, unknown)
    at_once = recovery.sweep()
    recovery._patient_until = 0
    return at_once + recovery.sweep()


def priced(key: str, amount: int = 300) -> HoldOrder:
    return replace(order(key, amount), prices=PRICES)


def entry_of(held: HoldOrder, output: int) -> Entry:
    usage = Usage(input=10, output=output)
    return Entry(held.attempt, 200, PROCESS_DIED, 1, usage, PRICES, PRICES.cost(usage), 5, 3)


def test_the_living_keep_their_holds(database: Database) -> None:
    process = Mortal(database)
    hold = process.hold(priced(make_key(database)))
    assert sweep(database) == 0
    assert [one.id for one in open_holds(database)] == [hold.id]
    process.writer.stop()


def test_a_call_of_a_dead_process_is_booked_at_its_last_checkpoint(database: Database) -> None:
    key = make_key(database)
    Budgets(database).set(("key", key), 1000, "day")
    process, held = Mortal(database), priced(key)
    process.hold(held, lambda: entry_of(held, output=7))
    wait_until(lambda: open_holds(database)[0].sent_at is not None, 5)
    process.die()
    assert sweep(database) == 1
    (row,) = booked(database)
    assert (row.request_id, row.outcome, row.status) == (held.attempt.request_id, PROCESS_DIED, 200)
    assert (row.input_tokens, row.output_tokens, row.cost, row.estimated) == (10, 7, 24, True)
    assert sums(database) == (24, 0)
    assert open_holds(database) == []
    assert sweep(database) == 0


@pytest.mark.parametrize(("unknown", "units", "cost"), [("input", 3000, 300), ("nothing", 0, 0), ("hold", 3000, 450)])
def test_what_is_priced_by_the_unit_is_charged_its_units(
    database: Database, unknown: str, units: int, cost: int
) -> None:
    process = Mortal(database)
    by_unit = Prices(0, 0, 0, 0, 100_000)
    process.hold(replace(order(make_key(database), 450), prices=by_unit, units=3000, input_bound=0))
    process.die()
    assert sweep(database, unknown) == 1
    (row,) = booked(database)
    assert (row.units, row.unit_price, row.cost, row.estimated) == (units, 100_000, cost, True)


@pytest.mark.parametrize(("unknown", "tokens", "cost"), [("input", 10, 10), ("nothing", 0, 0), ("hold", 10, 300)])
def test_of_what_nothing_is_known_a_setting_says_what_is_charged(
    database: Database, unknown: str, tokens: int, cost: int
) -> None:
    key = make_key(database)
    Budgets(database).set(("key", key), 1000, "day")
    process = Mortal(database)
    process.hold(priced(key))
    process.die()
    assert sweep(database, unknown) == 1
    (row,) = booked(database)
    assert (row.input_tokens, row.cost, row.estimated, row.status) == (tokens, cost, True, 0)
    assert sums(database) == (cost, 0)


def test_many_calls_are_swept_in_chunks_and_none_twice(database: Database) -> None:
    key, process = make_key(database), Mortal(database)
    for _ in range(300):
        process.hold(priced(key))
    process.die()
    assert sweep(database) == 300
    assert len({row.request_id for row in booked(database)}) == 300


def test_a_process_that_only_seemed_dead_corrects_what_was_booked_for_it_once(database: Database) -> None:
    key = make_key(database)
    Budgets(database).set(("key", key), 1000, "day")
    frozen, held = writer_of(database), priced(key)
    frozen.start()
    hold = frozen.hold(held)
    instance = frozen._instance
    instance._renew_at = time.monotonic() + 60
    if database.dialect == "sqlite":
        instance._life.end(instance.id)
    else:
        with database.write() as session:
            gone = database_past(database)
            session.execute(update(LeaseRecord).where(LeaseRecord.name == instance.id).values(until=gone))
    assert sweep(database) == 1
    assert sums(database) == (10, 0)
    late = replace(settlement(held, 120), windows=hold.windows)
    frozen.settle(late)
    frozen.settle(late)
    wait_until(lambda: not frozen.unwritten)
    frozen.settle(late)
    assert frozen.stop()
    call, correction = sorted(booked(database), key=lambda row: row.kind, reverse=True)
    assert (call.kind, call.cost, correction.kind, correction.cost) == ("call", 10, "adjustment", 110)
    assert call.input_tokens + correction.input_tokens == 1
    assert sums(database) == (120, 0)
    usage = UsageReport(Searches(database)).by("key")[key]
    assert (usage.requests, usage.cost) == (1, 120)


def test_nobody_is_taken_for_dead_right_after_the_database_was_away(database: Database) -> None:
    process = Mortal(database)
    process.hold(priced(make_key(database)))
    process.die()
    recovery = Recovery(database, "input")
    if database.dialect == "sqlite":
        assert recovery.sweep() == 1, "a lock that is gone says it at once"
        return
    assert recovery.sweep() == 0, "it has just begun to look"
    recovery._patient_until = 0
    recovery._asked_at = time.monotonic() - 30
    assert recovery.sweep() == 0, "it has not looked for 30 s"
    recovery._patient_until = 0
    assert recovery.sweep() == 1


def test_a_call_that_is_void_is_not_booked_by_the_sweep(database: Database) -> None:
    process = Mortal(database)
    hold = process.hold(priced(make_key(database)))
    process.writer.settle(Settlement(hold.id))
    process.die()
    assert sweep(database) == 0
    assert booked(database) == []


def test_settlements_of_a_process_that_ended_without_its_database_are_booked_by_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = make_key(database)
    Budgets(database).set(("key", key), 1000, "day")
    first = writer_of(database, tmp_path / "spool")
    first.start()
    held = priced(key)
    hold = first.hold(held)
    monkeypatch.setattr(LedgerWriter, "_connect", _away)
    first.settle(replace(settlement(held, 120), windows=hold.windows))
    wait_until(lambda: not first.available)
    assert not first.stop()
    monkeypatch.undo()
    next_one = writer_of(database, tmp_path / "spool")
    next_one.start()
    assert next_one.stop()
    assert sums(database) == (120, 0)
    assert [row.cost for row in booked(database)] == [120]
    assert sweep(database) == 0


def _away(_writer: LedgerWriter) -> None:
    raise OSError("no connection")


def test_a_hold_that_cannot_be_read_holds_up_no_other(database: Database) -> None:
    process = Mortal(database)
    key = make_key(database)
    first, second = (process.hold(priced(key)) for _ in range(2))
    with database.write() as session:
        of_another_version = {"checkpoint": {"usage": 1}, "sent_at": database.now(session)}
        session.execute(update(HoldRecord).where(HoldRecord.id == first.id).values(**of_another_version))
    process.die()
    assert sweep(database) == 2
    assert {row.request_id for row in booked(database)} == {
        first.order.attempt.request_id,
        second.order.attempt.request_id,
    }


def test_an_instance_whose_first_words_were_not_acknowledged_serves(database: Database) -> None:
    writer = writer_of(database)
    with database.ledger_engine().connect() as connection:
        writer._instance.show(connection)
    writer._instance._enlisted = False
    writer.start()
    held = priced(make_key(database))
    writer.settle(replace(settlement(held, 5), windows=writer.hold(held).windows))
    assert writer.stop()
    assert [row.cost for row in booked(database)] == [5]
