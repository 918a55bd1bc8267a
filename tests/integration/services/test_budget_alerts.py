"""Who watches a budget is told once a period when half, four fifths and all of it are spent."""

import pytest

from tests.ledgers import make_key, order, settlement, writer_of
from tollhouse.services.money.budget_alert import BudgetAlert
from tollhouse.services.money.budget_alerts import BudgetAlerts
from tollhouse.services.money.budgets import Budgets
from tollhouse.store.database import Database


def spend(database: Database, key: str, amount: int) -> None:
    writer = writer_of(database)
    writer.start()
    held = order(key, 1)
    writer.hold(held)
    writer.settle(settlement(held, amount))
    assert writer.stop()


@pytest.mark.parametrize("hard", [True, False])
def test_each_share_is_told_once(database: Database, hard: bool) -> None:
    key, told = make_key(database), list[BudgetAlert]()
    alerts = BudgetAlerts(database, told.append)
    budget = Budgets(database).set(("key", key), 1000, "month", hard=hard)
    for spent, percents in ((499, []), (1, [50]), (0, []), (400, [80]), (99, []), (1, [100])):
        spend(database, key, spent)
        told.clear()
        assert alerts.run() == len(percents)
        assert [alert.percent for alert in told] == percents
    assert alerts.run() == 0
    assert Budgets(database).all()[0].id == budget.id


def test_all_shares_that_one_call_spends_are_told_in_order(database: Database) -> None:
    key, told = make_key(database), list[BudgetAlert]()
    budget = Budgets(database).set(("key", key), 1000, "total", hard=False)
    spend(database, key, 2000)
    BudgetAlerts(database, told.append).run()
    assert [(one.budget_id, one.scope, one.percent, one.spent, one.limit) for one in told] == [
        (budget.id, ("key", key), percent, 2000, 1000) for percent in (50, 80, 100)
    ]


def test_what_could_not_be_told_is_told_at_the_next_run(database: Database) -> None:
    key, told = make_key(database), list[BudgetAlert]()
    Budgets(database).set(("key", key), 1000, "day")
    spend(database, key, 600)

    def fail(_: BudgetAlert) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        BudgetAlerts(database, fail).run()
    assert BudgetAlerts(database, told.append).run() == 1
    assert BudgetAlerts(database, told.append).run() == 0


def test_a_raised_limit_tells_the_higher_shares_when_they_are_reached(database: Database) -> None:
    key, told = make_key(database), list[BudgetAlert]()
    alerts = BudgetAlerts(database, told.append)
    Budgets(database).set(("key", key), 1000, "day")
    spend(database, key, 600)
    alerts.run()
    Budgets(database).set(("key", key), 10_000, "day")
    assert alerts.run() == 0
    spend(database, key, 7400)
    alerts.run()
    assert [alert.percent for alert in told] == [50, 80]


def test_retired_budgets_are_silent(database: Database) -> None:
    key, told = make_key(database), list[BudgetAlert]()
    budget = Budgets(database).set(("key", key), 1000, "day")
    spend(database, key, 600)
    Budgets(database).retire(budget.id)
    assert BudgetAlerts(database, told.append).run() == 0
