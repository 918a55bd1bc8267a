"""Budgets: set, changed, retired."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from tests.ledgers import open_holds, order, settlement, writer_of
from tollhouse.domain.errors import BudgetExceeded, InvalidField, NotFound
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ledger import Attempt, HoldOrder
from tollhouse.domain.periods import BEGINNING, period_bounds
from tollhouse.domain.principal import DEFAULT_TEAM, ORGANISATION, Principal, Scope
from tollhouse.domain.tags import joined
from tollhouse.services.keys.keys import Keys
from tollhouse.services.models.models import Models, NewModel
from tollhouse.services.money.budgets import Budgets
from tollhouse.store.changes import current_version
from tollhouse.store.database import Database
from tollhouse.store.records import BudgetRecord, UserRecord


@pytest.fixture
def budgets(database: Database) -> Budgets:
    return Budgets(database)


@pytest.fixture
def key(keys: Keys) -> str:
    return keys.create("tests").id


def test_a_budget_is_shown_with_its_present_window(budgets: Budgets, key: str) -> None:
    made = budgets.set(("key", key), 1000, "total", hard=False)
    assert (made.scope, made.limit, made.period, made.timezone, made.hard) == (
        ("key", key),
        1000,
        "total",
        "UTC",
        False,
    )
    assert (made.spent, made.held, made.starts_at) == (0, 0, BEGINNING)
    assert budgets.all() == [made]


def test_a_budget_set_again_is_changed_and_keeps_what_was_spent(
    budgets: Budgets, key: str, book: Callable[..., str]
) -> None:
    book(datetime.now(UTC), key_id=key, cost=300)
    first = budgets.set(("key", key), 1000, "total")
    second = budgets.set(("key", key), 2000, "total", hard=False)
    assert (second.id, second.limit, second.hard, second.spent) == (first.id, 2000, False, 300)
    assert budgets.all() == [second]


def test_a_scope_has_a_budget_for_each_period(budgets: Budgets, key: str) -> None:
    for period in ("day", "week", "month", "total"):
        budgets.set(("key", key), 1000, period)
    assert sorted(budget.period for budget in budgets.all()) == ["day", "month", "total", "week"]


def test_a_new_budget_starts_from_what_the_ledger_shows_for_its_period_and_key(
    budgets: Budgets, keys: Keys, key: str, book: Callable[..., str]
) -> None:
    now = datetime.now(UTC)
    midnight, _ = period_bounds("day", "UTC", now)
    book(midnight, key_id=key, cost=5)
    book(now, key_id=key, cost=70)
    book(now, key_id=key, cost=None)
    book(midnight - timedelta(microseconds=1), key_id=key, cost=900)
    book(now, key_id=keys.create("other").id, cost=8000)
    assert budgets.set(("key", key), 1000, "day").spent == 75
    assert budgets.set(("key", key), 1000, "total").spent == 975


def test_calls_that_are_open_count_as_held_in_a_new_budget_until_they_are_settled(
    budgets: Budgets, key: str, database: Database
) -> None:
    ledger = writer_of(database)
    ledger.start()
    held = order(key, 300)
    ledger.hold(held)
    assert budgets.set(("key", key), 1000, "total").held == 300
    ledger.settle(settlement(held, 120))
    assert ledger.stop()
    (budget,) = budgets.all()
    assert (budget.spent, budget.held) == (120, 0)


def test_a_budget_in_another_time_zone_is_another_budget_that_starts_from_the_ledger(
    budgets: Budgets, key: str, database: Database
) -> None:
    first = budgets.set(("key", key), 1000, "month", timezone="UTC")
    ledger = writer_of(database)
    ledger.start()
    open_call, done = order(key, 300), order(key, 40)
    ledger.hold(open_call)
    ledger.hold(done)
    ledger.settle(settlement(done, 40))
    assert ledger.stop()
    second = budgets.set(("key", key), 1000, "month", timezone="Pacific/Auckland")
    assert second.id != first.id
    assert second.starts_at == period_bounds("month", "Pacific/Auckland", datetime.now(UTC))[0]
    assert (second.spent, second.held) == (40, 300)
    assert budgets.all() == [second]
    (hold,) = open_holds(database)
    assert sorted(hold.taken.values()) == [300, 300]


def test_a_retired_budget_is_out_of_force_and_stays_in_the_database(
    budgets: Budgets, key: str, database: Database
) -> None:
    made = budgets.set(("key", key), 1000, "day")
    budgets.retire(made.id)
    budgets.retire(made.id)
    assert budgets.all() == []
    assert budgets.set(("key", key), 1000, "day").id != made.id
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(BudgetRecord)) == 2


def test_every_change_of_a_budget_is_announced(budgets: Budgets, key: str, database: Database) -> None:
    def version() -> int:
        with database.read() as session:
            return current_version(session)

    versions = [version()]
    made = budgets.set(("key", key), 1000, "day")
    versions.append(version())
    budgets.set(("key", key), 2000, "day")
    versions.append(version())
    budgets.retire(made.id)
    versions.append(version())
    assert versions == sorted(set(versions))


def test_a_budget_that_does_not_exist_cannot_be_retired(budgets: Budgets) -> None:
    with pytest.raises(NotFound, match="no budget 'bud_none'"):
        budgets.retire("bud_none")


def test_what_a_budget_cannot_be_is_refused_and_makes_none(budgets: Budgets, key: str) -> None:
    with pytest.raises(InvalidField, match="day, week, month, total"):
        budgets.set(("key", key), 1000, "year")
    for timezone in ("Mars/Olympus", "", "../../etc/passwd", "America"):
        with pytest.raises(InvalidField, match="is not a time zone"):
            budgets.set(("key", key), 1000, "day", timezone=timezone)
    with pytest.raises(NotFound, match="no key 'key_none'"):
        budgets.set(("key", "key_none"), 1000, "day")
    for kind in ("user", "team", "model", "organisation"):
        with pytest.raises(NotFound, match=f"no {kind} 'none'"):
            budgets.set((kind, "none"), 1000, "day")
    with pytest.raises(InvalidField, match="tag: 'two words' is no tag"):
        budgets.set(("tag", "two words"), 1000, "day")
    with pytest.raises(InvalidField, match="tag: it is empty"):
        budgets.set(("tag", " "), 1000, "day")
    with pytest.raises(InvalidField, match="scope: it must be one of key, user"):
        budgets.set(("planet", "earth"), 1000, "day")
    assert budgets.all() == []


SCOPES = [
    ("user", "usr_a"),
    ("team", DEFAULT_TEAM),
    ("model", "m"),
    ("tag", "blue_1"),
    ORGANISATION,
]


@pytest.mark.parametrize("scope", SCOPES, ids=[kind for kind, _ in SCOPES])
def test_a_new_budget_starts_from_what_is_spent_and_held_in_its_scope(
    database: Database, budgets: Budgets, book: Callable[..., str], host: str, models: Models, scope: Scope
) -> None:
    models.add(NewModel("m", host))
    with database.write() as session:
        session.add(UserRecord(id="usr_a", email="a@example.com", password_hash="", created_at=datetime.now(UTC)))
    now = datetime.now(UTC)
    book(now, user_id="usr_a", tags=joined(("blue_1", "red")), cost=300)
    other = {"team_id": "team_b", "model": "n", "tags": joined(("blue", "bluex1", "xblue_1")), "cost": 50}
    book(now, **other)
    writer = writer_of(database)
    writer.start()
    attempt = Attempt(
        new_id("req"), 1, "key_a", "m", "p", "m", "chat", False, now, user_id="usr_a", tags=("blue_1", "red")
    )
    held = HoldOrder(new_id("hold"), attempt, (("key", "key_a"),), 7, 10, True)
    writer.hold(held)
    made = budgets.set(scope, 1000, "total")
    assert (made.spent, made.held) == (350 if scope == ORGANISATION else 300, 7)
    writer.settle(settlement(held, 4))
    writer.stop()
    (now_is,) = budgets.all()
    assert (now_is.spent, now_is.held) == (made.spent + 4, 0)


def test_tags_are_the_same_whatever_their_case(budgets: Budgets) -> None:
    assert budgets.set(("tag", " Blue "), 1000, "day").scope == ("tag", "blue")


def test_a_call_is_held_in_all_its_scopes_and_the_tightest_refuses(database: Database, budgets: Budgets) -> None:
    principal = Principal("key_a", "tests", user_id="usr_a")
    scopes = principal.scopes("m", ("blue",))
    for scope, limit in ((("team", DEFAULT_TEAM), 100), (("tag", "blue"), 10), (ORGANISATION, 1000)):
        budgets.set(scope, limit, "day")
    writer = writer_of(database)
    writer.start()
    writer.hold(order("key_a", 9, scopes=scopes))
    with pytest.raises(BudgetExceeded, match=r"budget of the tag 'blue' has 0\.000000001 USD left"):
        writer.hold(order("key_a", 9, scopes=scopes))
    writer.hold(order("key_a", 90, scopes=principal.scopes("m", ())))
    with pytest.raises(BudgetExceeded, match="budget of this team"):
        writer.hold(order("key_a", 9, scopes=principal.scopes("m", ())))
    assert [budget.held for budget in budgets.all()] == [99, 9, 99]
    writer.stop()
