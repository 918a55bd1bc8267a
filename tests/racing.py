"""Many calls at once against one hard budget, by processes of their own: `python -m tests.racing URL KEY …`.

With RESETS the budget's period is that many seconds, so that it begins anew while calls come and go.
"""

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from tests.ledgers import booked, make_key, order, settlement, writer_of
from tollhouse.domain.errors import BudgetExceeded, LedgerUnavailable
from tollhouse.services.money.budgets import Budgets
from tollhouse.store.database import Database
from tollhouse.store.ledger import budget_book
from tollhouse.store.records import BudgetWindowRecord

PRICE = 7
PAID_FOR = 100
LIMIT = PAID_FOR * PRICE + PRICE - 1
TRIES = 20
"""A call that the gateway asks to come again comes again: 503 is no answer to whether it fits."""


def race(url: str, processes: int, calls: int, *, spread: float, resets: float) -> None:
    """`calls` in each of the processes, begun within `spread` seconds. Asserts that exactly what fits was let in, and
    that what is spent and held was never above the limit of a period, whoever looked when.
    """
    database = Database(url)
    key = make_key(database)
    Budgets(database).set(("key", key), LIMIT, "total" if not resets else "day")
    command = [sys.executable, "-m", "tests.racing", url, key, str(calls), str(spread), str(resets)]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    over: list[tuple[str, int, int]] = []
    looks = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal looks
        while not done.is_set():
            with database.read() as session:
                rows = session.execute(
                    select(BudgetWindowRecord.id, BudgetWindowRecord.spent, BudgetWindowRecord.held)
                ).all()
            over.extend((id, spent, held) for id, spent, held in rows if spent + held > LIMIT)
            looks += 1
            time.sleep(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        told = Counter[str]()
        for racer in racers:
            told.update(json.loads(racer.communicate(timeout=120)[0]))
    finally:
        done.set()
        watcher.join()
        for racer in racers:
            racer.kill()
            racer.wait()
    assert over == []
    assert looks > 10
    assert told["admitted"] + told["refused"] == processes * calls, told
    with database.read() as session:
        windows = session.execute(select(BudgetWindowRecord.spent, BudgetWindowRecord.held)).all()
    rows = len(booked(database))
    database.close()
    assert rows == told["admitted"]
    assert sum(spent for spent, _ in windows) == told["admitted"] * PRICE
    assert all(held == 0 for _, held in windows)
    if resets:
        assert len([spent for spent, _ in windows if spent]) > 1, "the budget was to begin anew in the middle"
        assert all(spent <= PAID_FOR * PRICE for spent, _ in windows)
        # Nobody is refused while there is room.
        assert not told["refused"] or max(spent for spent, _ in windows) == PAID_FOR * PRICE
    else:
        assert told["admitted"] == PAID_FOR


def _run(url: str, key: str, calls: int, spread: float, resets: float) -> None:
    if resets:
        budget_book.period_bounds = _short_periods(resets)  # type: ignore[assignment]
    database = Database(url)
    writer = writer_of(database)
    writer.start()
    told = Counter[str]()
    start = threading.Event()

    def call() -> None:
        start.wait()
        time.sleep(random.random() * spread)
        held = order(key, PRICE)
        for _ in range(TRIES):
            try:
                hold = writer.hold(held)
            except BudgetExceeded:
                told["refused"] += 1
                return
            except LedgerUnavailable:
                held = order(key, PRICE)
                time.sleep(random.random())
                continue
            time.sleep(random.random() * 0.2)
            done = settlement(held, PRICE)
            writer.settle(type(done)(done.hold_id, done.entry, hold.windows))
            told["admitted"] += 1
            return
        told["unavailable"] += 1

    threads = [threading.Thread(target=call) for _ in range(calls)]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    sys.stdin.readline()
    start.set()
    for thread in threads:
        thread.join()
    assert writer.stop()
    database.close()
    print(json.dumps(told))


def _short_periods(seconds: float) -> Any:
    def bounds(_period: str, _timezone: str, now: datetime) -> tuple[datetime, datetime]:
        # As long as the ids of windows can tell apart: whole seconds.
        first = datetime.fromtimestamp(now.timestamp() // seconds * seconds, UTC)
        return first, first + timedelta(seconds=seconds)

    return bounds


if __name__ == "__main__":
    _run(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))
