"""The ledger's bill, made again from its rows."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tollhouse.services.reports import replay as module
from tollhouse.services.reports.replay import Replay
from tollhouse.store.database import Database

NOW = datetime.now(UTC)
PRICES = {"input_price": 10**6, "cache_read_price": 10**5, "cache_write_price": 2 * 10**6, "output_price": 3 * 10**6}
COST = 10 * 1 + 1 + 2 * 2 + 5 * 3
"""Of the row that `book` makes: 3 cached tokens cost 0.3, which is rounded up."""


def test_a_ledger_adds_up_to_what_its_rows_make(
    database: Database, book: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", 2)
    for _ in range(5):
        book(NOW, **PRICES, cost=COST)
    book(NOW, cost=None)
    told = Replay(database).run()
    assert (told.attempts, told.booked, told.computed, told.unpriced) == (5, 5 * COST, 5 * COST, 1)
    assert told.agrees


def test_a_correction_belongs_to_what_it_corrects(database: Database, book: Callable[..., str]) -> None:
    book(NOW, **PRICES, cost=COST, request_id="req_1", outcome="process_died")
    nothing = dict.fromkeys(("input_tokens", "cache_read_tokens", "cache_write_tokens"), 0)
    book(NOW, **PRICES, **nothing, output_tokens=2, cost=6, request_id="req_1", kind="adjustment")
    assert Replay(database).run().agrees


def test_a_row_that_was_changed_is_named(database: Database, book: Callable[..., str]) -> None:
    book(NOW, **PRICES, cost=COST)
    book(NOW, **PRICES, cost=COST + 1, request_id="req_changed")
    told = Replay(database).run()
    assert not told.agrees
    assert (told.differing, told.different) == (1, ("req_changed",))


def test_two_changes_that_cancel_out_are_still_two(database: Database, book: Callable[..., str]) -> None:
    book(NOW, **PRICES, cost=COST + 1)
    book(NOW, **PRICES, cost=COST - 1)
    told = Replay(database).run()
    assert told.booked == told.computed
    assert not told.agrees


def test_what_a_setting_priced_is_not_taken_for_an_error(database: Database, book: Callable[..., str]) -> None:
    book(NOW, **PRICES, cost=1000, outcome="process_died")
    told = Replay(database).run()
    assert told.agrees
    assert told.by_setting == 1
