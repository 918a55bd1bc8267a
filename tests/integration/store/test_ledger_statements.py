"""A ledger transaction is a fixed number of statements, and each finds its rows by an index."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.ledgers import make_key, order, settlement
from tollhouse.domain.ledger import HoldOrder
from tollhouse.domain.principal import Scope
from tollhouse.services.money.budgets import Budgets
from tollhouse.store.database import Database
from tollhouse.store.instances import Instance
from tollhouse.store.ledger import group
from tollhouse.store.ledger.budget_book import BudgetBook
from tollhouse.store.ledger.drivers import tables_of

ONE_ROW_TABLE = "change_counter"


class Watched:
    """A driver's connection that writes down what it is asked."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.asked: list[tuple[str, Any]] = []

    def execute(self, statement: str, parameters: Any = ()) -> Any:
        self.asked.append((statement, parameters))
        return self._connection.execute(statement, parameters)

    def executemany(self, statement: str, rows: Any) -> Any:
        self.asked.append((statement, rows[0]))
        return self._connection.executemany(statement, rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class Ledger:
    """Commits groups on a connection of its own; `asked` is what the last one asked the driver."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connection: Connection = database.ledger_engine().connect()
        self._book = BudgetBook()
        self._instance = Instance(database, "web").id
        self.asked: list[tuple[str, Any]] = []

        def watched(connection: Connection, outside: Any = None) -> Any:
            tables = tables_of(connection)
            tables._connection = watch = Watched(tables._connection)  # type: ignore[attr-defined]
            self.asked = watch.asked
            return tables

        monkeypatch.setattr(group, "tables_of", watched)

    def commit(self, orders: list[HoldOrder], ended: list[HoldOrder]) -> list[str]:
        settlements = [settlement(one, 1) for one in ended]
        decided = group.commit_group(self.connection, self._book, self._instance, orders, settlements)
        assert all(isinstance(one, tuple) for one in decided.values())
        return [statement for statement, _ in self.asked]


@pytest.fixture
def ledger(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    ledger = Ledger(database, monkeypatch)
    yield ledger
    ledger.connection.close()


@pytest.fixture
def scopes(database: Database) -> tuple[Scope, ...]:
    """A key, and seven more of which each has budgets."""
    scopes: tuple[Scope, ...] = (("key", make_key(database)), *(("tag", f"t{number}") for number in range(7)))
    for scope in scopes:
        for period in ("day", "month"):
            Budgets(database).set(scope, 10**12, period, hard=scope[0] == "key")
    return scopes


def test_a_group_is_as_many_statements_for_200_calls_in_16_budgets_as_for_one_in_none(
    ledger: Ledger, scopes: tuple[Scope, ...]
) -> None:
    counts = {}
    for calls, width in ((1, 1), (1, 8), (20, 1), (200, 8)):
        first = [order(scopes[0][1], 5, scopes=scopes[:width]) for _ in range(calls)]
        ledger.commit(first, [])
        following = [order(scopes[0][1], 5, scopes=scopes[:width]) for _ in range(calls)]
        counts[calls, width] = ledger.commit(following, first)
        ledger.commit([], following)
    first_of_all = counts[1, 1]
    assert all(statements == first_of_all for statements in counts.values())
    assert len(first_of_all) <= 7


def test_each_statement_finds_its_rows_by_an_index(ledger: Ledger, scopes: tuple[Scope, ...]) -> None:
    first = [order(scopes[0][1], 5, scopes=scopes) for _ in range(50)]
    ledger.commit(first, [])
    ledger.commit([order(scopes[0][1], 5, scopes=scopes)], first)
    asked = list(ledger.asked)
    assert any("budget_windows" in statement for statement, _ in asked)
    driver: Any = ledger.connection.connection.driver_connection
    sqlite = ledger.connection.dialect.name == "sqlite"
    if not sqlite:
        # Of a table of a few rows, reading all is cheaper than any index; whether there is one shows without that.
        driver.execute("SET enable_seqscan = off")
    for statement, parameters in asked:
        if ONE_ROW_TABLE in statement or "advisory" in statement:
            continue
        explained = driver.execute(f"EXPLAIN {'QUERY PLAN ' if sqlite else ''}{statement}", parameters).fetchall()
        plan = "\n".join(str(row[-1]) for row in explained)
        for table in ("holds", "budget_windows", "ledger"):
            assert f"Seq Scan on {table}" not in plan, statement
            assert f"SCAN {table}" not in plan, statement
    driver.rollback()
