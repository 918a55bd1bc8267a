"""Budget alerts by mail and webhook: each once, whoever else is dead."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from tests.integration.services.test_budget_alerts import spend
from tests.ledgers import make_key
from tollhouse.services.money import alert_deliveries as module
from tollhouse.services.money.alert_deliveries import AlertDeliveries
from tollhouse.services.money.budget_alert import BudgetAlert, document_of, text_of
from tollhouse.services.money.budget_alerts import BudgetAlerts
from tollhouse.services.money.budgets import Budgets
from tollhouse.store.database import Database
from tollhouse.store.records import BudgetAlertDeliveryRecord


def silent(_: BudgetAlert) -> None:
    pass


def dead(_: BudgetAlert) -> None:
    raise ConnectionError


@pytest.fixture
def key(database: Database) -> str:
    key = make_key(database)
    Budgets(database).set(("key", key), 1000, "month")
    return key


def raise_alerts(database: Database, *channels: str) -> None:
    BudgetAlerts(database, silent, channels).run()


def due_now(database: Database) -> None:
    with database.write() as session:
        past = database.now(session) - timedelta(seconds=1)
        session.execute(update(BudgetAlertDeliveryRecord).values(due_at=past))


def rows(database: Database) -> list[BudgetAlertDeliveryRecord]:
    with database.read() as session:
        return list(session.scalars(select(BudgetAlertDeliveryRecord).order_by(BudgetAlertDeliveryRecord.percent)))


def test_each_share_goes_to_each_channel_once(database: Database, key: str) -> None:
    mail, hook = list[int](), list[int]()
    deliveries = AlertDeliveries(
        database, {"mail": lambda one: mail.append(one.percent), "webhook": lambda one: hook.append(one.percent)}
    )
    spend(database, key, 850)
    for _ in range(3):
        raise_alerts(database, "mail", "webhook")
        deliveries.run()
    assert (mail, hook) == ([50, 80], [50, 80])
    due_now(database)
    deliveries.run()
    assert (mail, hook) == ([50, 80], [50, 80])


def test_a_dead_receiver_is_asked_once_a_run_and_delays_nobody(database: Database, key: str) -> None:
    asked, told = list[int](), list[int]()

    def hanging(alert: BudgetAlert) -> None:
        asked.append(alert.percent)
        assert other.wait(5), "the other channel waited for this one"
        raise ConnectionError

    other = threading.Event()

    def alive(alert: BudgetAlert) -> None:
        told.append(alert.percent)
        if alert.percent == 100:
            other.set()

    spend(database, key, 1000)
    raise_alerts(database, "mail", "webhook")
    AlertDeliveries(database, {"webhook": hanging, "mail": alive}).run()
    assert told == [50, 80, 100]
    assert asked == [50]


def test_what_did_not_arrive_is_sent_again_later(database: Database, key: str) -> None:
    told: list[int] = []
    spend(database, key, 600)
    raise_alerts(database, "webhook")
    AlertDeliveries(database, {"webhook": dead}).run()
    alive = AlertDeliveries(database, {"webhook": lambda one: told.append(one.percent)})
    alive.run()
    assert told == [], "not at once"
    (row,) = rows(database)
    assert timedelta(seconds=20) < row.due_at - datetime.now(UTC) <= timedelta(seconds=31)
    due_now(database)
    alive.run()
    assert told == [50]
    assert rows(database)[0].delivered


def test_it_is_given_up_in_the_end(database: Database, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ATTEMPTS", 3)
    spend(database, key, 600)
    raise_alerts(database, "webhook")
    for _ in range(5):
        due_now(database)
        AlertDeliveries(database, {"webhook": dead}).run()
    (row,) = rows(database)
    assert (row.attempts, row.delivered) == (3, False)
    assert row.ended_at is not None


def test_two_runs_at_once_send_it_once(database: Database, key: str) -> None:
    told: list[int] = []
    spend(database, key, 600)
    raise_alerts(database, "mail")
    runs = [AlertDeliveries(database, {"mail": lambda one: told.append(one.percent)}) for _ in range(4)]
    threads = [threading.Thread(target=one.run) for one in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [50]


def test_a_channel_that_is_set_later_is_not_told_of_what_was(database: Database, key: str) -> None:
    told: list[int] = []
    spend(database, key, 600)
    raise_alerts(database)
    raise_alerts(database, "mail")
    AlertDeliveries(database, {"mail": lambda one: told.append(one.percent)}).run()
    assert told == []


def test_what_is_told_says_all_for_people_and_for_programs() -> None:
    alert = BudgetAlert(
        "bud_1", ("tag", "nightly"), "month", True, 80, 800_000_000, 10**9, datetime(2026, 1, 2, tzinfo=UTC)
    )
    assert text_of(alert) == (
        "80 % of the budget of tag nightly is spent: 0.8 of 1 USD this month. "
        "Calls that could cost more than what is left are refused."
    )
    assert document_of(alert) == {
        "text": text_of(alert),
        "type": "budget.alert",
        "budget_id": "bud_1",
        "scope": {"kind": "tag", "id": "nightly"},
        "period": "month",
        "hard": True,
        "percent": 80,
        "spent_usd": "0.8",
        "limit_usd": "1",
        "raised_at": "2026-01-02T00:00:00Z",
    }
