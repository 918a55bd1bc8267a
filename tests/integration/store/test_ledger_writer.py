"""The ledger on both databases: what is held, what is booked, and that a budget is never overrun."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text

from tests.ledgers import booked, make_key, open_holds, order, settlement, sums, writer_of
from tollhouse import metrics
from tollhouse.domain.errors import BudgetExceeded, LedgerUnavailable
from tollhouse.domain.ledger import HoldOrder, Settlement
from tollhouse.services.money.budgets import Budgets
from tollhouse.store.database import Database
from tollhouse.store.ledger.writer import LedgerWriter
from tollhouse.store.records import BudgetWindowRecord


@pytest.fixture
def ledger(database: Database) -> Iterator[LedgerWriter]:
    writer = writer_of(database)
    writer.start()
    yield writer
    writer.stop()


def test_a_call_is_held_and_then_booked_once(database: Database, ledger: LedgerWriter) -> None:
    key = make_key(database)
    Budgets(database).set(("key", key), 1000, "day")
    held = order(key, 300)
    ledger.hold(held)
    assert sums(database) == (0, 300)
    ledger.settle(settlement(held, 120))
    ledger.settle(settlement(held, 120))
    assert ledger.stop()
    assert sums(database) == (120, 0)
    assert [row.cost for row in booked(database)] == [120]
    assert open_holds(database) == []


def test_a_call_without_a_budget_is_held_and_booked_too(database: Database, ledger: LedgerWriter) -> None:
    held = order(make_key(database), 300)
    ledger.hold(held)
    assert [hold.id for hold in open_holds(database)] == [held.id]
    ledger.settle(settlement(held, 120))
    assert ledger.stop()
    assert [row.request_id for row in booked(database)] == [held.attempt.request_id]


def test_a_void_gives_everything_back(database: Database, ledger: LedgerWriter) -> None:
    key = make_key(database)
    Budgets(database).set(("key", key), 1000, "day")
    held = order(key, 300)
    ledger.hold(held)
    ledger.settle(Settlement(held.id))
    assert ledger.stop()
    assert sums(database) == (0, 0)
    assert booked(database) == []


def test_what_does_not_fit_is_refused_and_holds_nothing(database: Database, ledger: LedgerWriter) -> None:
    key = make_key(database)
    Budgets(database).set(("key", key), 500, "total")
    ledger.hold(order(key, 400))
    with pytest.raises(BudgetExceeded, match=r"0\.0000001 USD left"):
        ledger.hold(order(key, 101))
    assert sums(database) == (0, 400)
    ledger.hold(order(key, 100))


def test_a_soft_budget_counts_and_refuses_nothing(database: Database, ledger: LedgerWriter) -> None:
    key = make_key(database)
    Budgets(database).set(("key", key), 10, "day", hard=False)
    ledger.hold(order(key, 400, bounded=False))
    assert sums(database) == (0, 400)


def test_a_hard_budget_refuses_what_has_no_bound(database: Database, ledger: LedgerWriter) -> None:
    key = make_key(database)
    Budgets(database).set(("key", key), 10**12, "day")
    with pytest.raises(BudgetExceeded, match="not known"):
        ledger.hold(order(key, 0, bounded=False))


def test_200_racing_calls_of_two_processes_get_exactly_what_50_of_them_cost(database: Database) -> None:
    key = make_key(database)
    Budgets(database).set(("key", key), 50 * 7 + 6, "month")
    others = [Database(database.url), Database(database.url)]
    writers = [writer_of(other) for other in others]
    for writer in writers:
        writer.start()
    most = 0

    def call(n: int) -> HoldOrder | None:
        wanted = order(key, 7)
        try:
            writers[n % 2].hold(wanted)
        except BudgetExceeded:
            return None
        return wanted

    with ThreadPoolExecutor(100) as threads:
        admitted = [held for held in threads.map(call, range(200)) if held]
        most = sum(sums(database))
        for n, held in enumerate(admitted):
            writers[n % 2].settle(settlement(held, 7))
    assert all(writer.stop() for writer in writers)
    for other in others:
        other.close()
    assert len(admitted) == 50
    assert most == 350
    assert sums(database) == (350, 0)
    assert len(booked(database)) == 50


def test_spend_and_holds_never_pass_the_limit_while_calls_come_and_go(database: Database, ledger: LedgerWriter) -> None:
    key = make_key(database)
    limit = 1000
    Budgets(database).set(("key", key), limit, "day")
    over: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            over.extend(total for total in [sum(sums(database))] if total > limit)

    def call(cost: int) -> int:
        wanted = order(key, 90)
        try:
            ledger.hold(wanted)
        except BudgetExceeded:
            return 0
        ledger.settle(settlement(wanted, cost))
        return cost

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(20) as threads:
        spent = sum(threads.map(call, [n % 40 for n in range(150)]))
    assert ledger.stop()
    done.set()
    watcher.join()
    assert over == []
    assert sums(database) == (spent, 0)


def test_a_new_budget_starts_from_the_ledger_and_the_calls_that_are_open(
    database: Database, ledger: LedgerWriter
) -> None:
    key = make_key(database)
    past, running = order(key, 50), order(key, 70)
    ledger.hold(past)
    ledger.settle(settlement(past, 40))
    ledger.hold(running)
    budget = Budgets(database).set(("key", key), 200, "day")
    assert (budget.spent, budget.held) == (40, 70)
    with pytest.raises(BudgetExceeded):
        ledger.hold(order(key, 91))
    ledger.settle(settlement(running, 60))
    assert ledger.stop()
    assert sums(database) == (100, 0)


def test_a_changed_limit_applies_from_the_next_hold(database: Database, ledger: LedgerWriter) -> None:
    key = make_key(database)
    budgets = Budgets(database)
    first = budgets.set(("key", key), 100, "day")
    ledger.hold(order(key, 100))
    assert budgets.set(("key", key), 150, "day").id == first.id
    ledger.hold(order(key, 50))
    budgets.retire(first.id)
    ledger.hold(order(key, 10**6, bounded=False))


def test_a_hold_is_settled_in_the_window_that_it_was_taken_from(database: Database, ledger: LedgerWriter) -> None:
    key = make_key(database)
    Budgets(database).set(("key", key), 1000, "day")
    held = order(key, 300)
    ledger.hold(held)
    with database.read() as session:
        (window,) = session.scalars(select(BudgetWindowRecord.id))
    # Another period begins before the call ends: to the ledger, the same budget under a younger window.
    Budgets(database).set(("key", key), 1000, "day", timezone="Asia/Tokyo")
    ledger.settle(settlement(held, 120))
    assert ledger.stop()
    with database.read() as session:
        row = session.get(BudgetWindowRecord, window)
    assert row is not None
    assert (row.spent, row.held) == (120, 0)


def test_many_operations_share_a_transaction(database: Database, ledger: LedgerWriter) -> None:
    key = make_key(database)
    with ThreadPoolExecutor(64) as threads:
        held = list(threads.map(lambda n: ledger.hold(order(key, n)), range(300)))
    for hold in held:
        ledger.settle(settlement(hold.order, 1))
    assert ledger.stop()
    assert len(booked(database)) == 300
    assert open_holds(database) == []


def test_sqlites_write_lock_held_by_another_process_is_waited_for(database: Database, ledger: LedgerWriter) -> None:
    if database.dialect != "sqlite":
        pytest.skip("PostgreSQL locks rows")
    key = make_key(database)
    other = sqlite3.connect(database.url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, lambda: other.execute("COMMIT")).start()
    began = time.monotonic()
    ledger.hold(order(key, 1))
    assert 0.2 < time.monotonic() - began < 1.5
    other.close()


def test_a_row_locked_by_another_transaction_delays_and_does_not_fail(database: Database, ledger: LedgerWriter) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite locks the whole file")
    key = make_key(database)
    Budgets(database).set(("key", key), 1000, "day")
    with database.engine.connect() as connection:
        connection.execute(text("SELECT * FROM budget_windows FOR UPDATE"))
        threading.Timer(0.6, connection.rollback).start()
        ledger.hold(order(key, 1))
        time.sleep(0.2)
    assert sums(database) == (0, 1)


def test_a_window_that_others_keep_locked_holds_up_only_those_who_touch_it(database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite locks the whole file")
    blocked, free = make_key(database), make_key(database)
    budget = Budgets(database).set(("key", blocked), 1000, "day")
    Budgets(database).set(("key", free), 1000, "day")
    ledger = writer_of(database, wait_seconds=30)
    ledger.start()
    before = ledger.hold(order(blocked, 5))
    with database.engine.connect() as connection, ThreadPoolExecutor() as callers:
        connection.execute(text("SELECT * FROM budget_windows WHERE budget_id = :id FOR UPDATE"), {"id": budget.id})
        waits = callers.submit(ledger.hold, order(blocked, 1))
        ledger.settle(Settlement(before.id, settlement(before.order, 3).entry, before.windows))
        time.sleep(0.05)
        began = time.monotonic()
        for _ in range(20):
            ledger.hold(order(free, 1))
        assert time.monotonic() - began < 15, "a group that waits in vain gives up after 30 s"
        assert not waits.done()
        connection.rollback()
        waits.result(10)
    assert ledger.stop()
    assert sums(database) == (3, 21)


def test_who_no_longer_waits_for_a_locked_window_holds_nothing(database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite locks the whole file")
    key = make_key(database)
    Budgets(database).set(("key", key), 1000, "day")
    writer = writer_of(database, wait_seconds=0.6)
    writer.start()
    with database.engine.connect() as connection:
        connection.execute(text("SELECT * FROM budget_windows FOR UPDATE"))
        with pytest.raises(LedgerUnavailable):
            writer.hold(order(key, 1))
        assert writer.available, "others are served meanwhile"
        connection.rollback()
    assert writer.stop()
    assert (sums(database), open_holds(database)) == ((0, 0), [])


def test_a_lock_held_for_too_long_refuses_and_leaves_nothing_held(database: Database) -> None:
    key = make_key(database)
    Budgets(database).set(("key", key), 1000, "day")
    writer = writer_of(database, wait_seconds=0.5)
    writer.start()
    with database.engine.connect() as connection:
        lock = (
            "UPDATE change_counter SET version = version"
            if database.dialect == "sqlite"
            else ("SELECT * FROM budget_windows FOR UPDATE")
        )
        connection.execute(text(lock))
        with pytest.raises(LedgerUnavailable):
            writer.hold(order(key, 1))
        connection.rollback()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not writer.available:
        time.sleep(0.05)
    ledger_works = order(key, 2)
    writer.hold(ledger_works)
    assert writer.stop()
    assert sums(database) == (0, 2)


def test_a_database_that_is_read_only_for_a_while_loses_no_settlement(database: Database, ledger: LedgerWriter) -> None:
    if database.dialect == "sqlite":
        pytest.skip("a failover is PostgreSQL's")
    key = make_key(database)
    Budgets(database).set(("key", key), 1000, "day")
    held = order(key, 300)
    ledger.hold(held)
    name = database.engine.url.database
    with database.engine.connect() as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
        connection.commit()
        connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"))
        ledger.settle(settlement(held, 120))
        time.sleep(0.5)
        assert not ledger.available
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = off'))
        connection.commit()
    database.engine.dispose()
    deadline = time.monotonic() + 5
    while not ledger.available and time.monotonic() < deadline:
        time.sleep(0.05)
    assert ledger.stop()
    assert sums(database) == (120, 0)
    assert len(booked(database)) == 1


def test_many_keys_and_two_processes_lock_windows_in_one_order(database: Database) -> None:
    keys = [make_key(database) for _ in range(6)]
    for key in keys:
        Budgets(database).set(("key", key), 10**9, "day")
    other = Database(database.url)
    writers = [writer_of(database), writer_of(other)]
    for writer in writers:
        writer.start()
    before = metrics.LEDGER_RETRIES._value.get()

    def call(n: int) -> None:
        wanted = order(keys[n * 7 % 6], 10)
        writers[n % 2].hold(wanted)
        writers[n % 2].settle(settlement(wanted, 3))

    with ThreadPoolExecutor(24) as threads:
        list(threads.map(call, range(600)))
    assert all(writer.stop() for writer in writers)
    other.close()
    assert sums(database) == (1800, 0)
    if database.dialect == "postgresql":
        assert metrics.LEDGER_RETRIES._value.get() == before, "a deadlock or a lock that was waited for too long"


def test_one_settlement_that_the_database_refuses_takes_no_other_with_it(
    database: Database, ledger: LedgerWriter
) -> None:
    key = make_key(database)
    good, bad = order(key, 1), order(key, 1)
    ledger.hold(good)
    ledger.hold(bad)
    broken = settlement(bad, 2**80)
    ledger.settle(broken)
    ledger.settle(settlement(good, 5))
    assert ledger.stop()
    assert [row.cost for row in booked(database)] == [5]
    assert open_holds(database) == []
