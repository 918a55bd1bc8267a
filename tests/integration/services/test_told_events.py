"""What webhooks hear of: keys, budgets, providers, each in the transaction of what it tells."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from tests.integration.services.test_budget_alerts import spend
from tests.ledgers import MINT, order, settlement, writer_of
from tests.unit.services.test_breakers import TARGET
from tests.webhooks import World
from tollhouse.domain.errors import UpstreamGone, UpstreamRejected
from tollhouse.domain.ports import at_once
from tollhouse.domain.principal import ORGANISATION
from tollhouse.domain.routes import Host
from tollhouse.services.calls.breakers import Breakers
from tollhouse.services.keys.events import ExpiringKeys
from tollhouse.services.keys.keys import Keys
from tollhouse.services.models.credentials import Credentials
from tollhouse.services.models.probes import Probes
from tollhouse.services.models.provider_check import check_host
from tollhouse.services.models.provider_events import ProviderEvents
from tollhouse.services.money.budget_alert import BudgetAlert
from tollhouse.services.money.budget_alerts import BudgetAlerts
from tollhouse.services.money.budgets import Budgets
from tollhouse.services.webhooks.webhooks import Webhook
from tollhouse.store.database import Database
from tollhouse.store.records import ApiKeyRecord

URL = "https://hooks.example.com/x"


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def hook(world: World) -> Webhook:
    return world.hook(URL, team_id=None)


def told(world: World, hook: Webhook) -> list[tuple[str, Any]]:
    return [(one.event_type, one.payload["data"]) for one in world.of(hook)]


def test_a_key_is_told_of_when_it_is_made_rotated_and_ended(world: World, hook: Webhook) -> None:
    keys = Keys(world.database, MINT, world.outbox)
    key = keys.create("nightly")
    keys.rotate(key.id)
    keys.change(key.id, {"name": "weekly"})
    keys.revoke(key.id)
    keys.revoke(key.id)
    events = told(world, hook)
    assert [kind for kind, _ in events] == ["key.created", "key.rotated", "key.revoked"]
    assert events[0][1] == {
        "id": key.id,
        "name": "nightly",
        "hint": key.hint,
        "team_id": "team_default",
        "user_id": None,
        "expires_at": None,
    }
    assert (key.key or "") not in repr(events)


def test_a_key_that_ends_within_a_week_is_told_of_once_and_again_where_it_ends_otherwise(
    world: World, hook: Webhook
) -> None:
    keys = Keys(world.database, MINT)
    with world.database.read() as session:
        now = world.database.now(session)
    soon = keys.create("soon", expires_at=now + timedelta(days=6)).id
    keys.create("later", expires_at=now + timedelta(days=8))
    keys.revoke(keys.create("over", expires_at=now + timedelta(days=2)).id)
    gone = keys.create("gone", expires_at=now + timedelta(days=1)).id
    with world.database.write() as session:
        session.execute(update(ApiKeyRecord).where(ApiKeyRecord.id == gone).values(expires_at=now - timedelta(days=1)))
    expiring = ExpiringKeys(world.database, world.outbox)
    for _ in range(3):
        expiring.run()
    assert [(kind, data["id"]) for kind, data in told(world, hook)] == [("key.expiring", soon)]
    keys.change(soon, {"expires_at": now + timedelta(days=5)})
    expiring.run()
    assert [data["id"] for _, data in told(world, hook)] == [soon, soon]


def test_a_budgets_shares_are_told_to_the_team_whose_it_is_once(world: World, hook: Webhook) -> None:
    mine = world.hook(URL, "budget.alert")
    key = Keys(world.database, MINT).create("tests").id
    budget = Budgets(world.database).set(("key", key), 1000, "month")
    spend(world.database, key, 850)
    logged: list[BudgetAlert] = []
    for _ in range(3):
        BudgetAlerts(world.database, logged.append, outbox=world.outbox).run()
    first, second = (sorted(told(world, one), key=lambda one: one[1]["percent"]) for one in (mine, hook))
    assert first == second
    assert [(kind, data["percent"]) for kind, data in first] == [("budget.alert", 50), ("budget.alert", 80)]
    data = first[1][1]
    assert (data["budget_id"], data["scope"]) == (budget.id, {"kind": "key", "id": key})
    assert set(data) == {
        "text", "budget_id", "scope", "period", "hard", "percent", "spent_usd", "limit_usd", "raised_at",
    }  # fmt: skip


def test_a_budget_of_the_organisation_is_told_to_the_organisation_alone(world: World, hook: Webhook) -> None:
    team = world.hook(URL, "budget.alert")
    key = Keys(world.database, MINT).create("tests").id
    Budgets(world.database).set(ORGANISATION, 1000, "month")
    writer = writer_of(world.database)
    writer.start()
    held = order(key, 1, scopes=(ORGANISATION,))
    writer.hold(held)
    writer.settle(settlement(held, 600))
    assert writer.stop()
    BudgetAlerts(world.database, lambda _: None, outbox=world.outbox).run()
    assert [data["percent"] for _, data in told(world, hook)] == [50]
    assert told(world, team) == []


def rejected(status: int) -> UpstreamRejected:
    return UpstreamRejected("no", status=status)


def test_a_provider_that_does_not_answer_is_told_of_once_an_hour_whoever_sees_it(world: World, hook: Webhook) -> None:
    events = ProviderEvents(world.database, world.outbox, at_once)

    def refuse() -> Any:
        raise UpstreamGone("It is not there.")

    for _ in range(2):
        Probes(lambda: [check_host("p", refuse)], world.database, events).run()
    assert told(world, hook) == [
        ("provider.down", {"provider": "p", "problem": "It is not there.", "model": None}),
    ]
    breakers = Breakers(2, 10.0, events=events)
    for _ in range(2):
        breakers.failed(TARGET)
    kind, data = told(world, hook)[-1]
    assert (kind, data["problem"]) == ("provider.down", "It failed 2 times in a row.")
    assert data["provider"] == TARGET.host.name
    assert data["model"] == TARGET.model


def test_a_provider_that_refuses_its_credential_is_told_of_by_calls_and_by_probes(world: World, hook: Webhook) -> None:
    events = ProviderEvents(world.database, world.outbox, at_once)
    Credentials(events=events).failed(Host("prv_1", "locked", "openai", "http://host"), rejected(401))

    def refuse() -> Any:
        raise rejected(403)

    Probes(lambda: [check_host("locked", refuse), check_host("closed", refuse)], world.database, events).run()
    assert [(kind, data["provider"]) for kind, data in told(world, hook)] == [
        ("provider.credential_refused", "locked"),
        ("provider.credential_refused", "closed"),
    ]


def test_a_database_that_is_away_is_no_matter_of_the_call_that_saw_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.database.close()
    gone = Database("sqlite:////nowhere/at/all.db")
    ProviderEvents(gone, world.outbox, at_once).tell("provider.down", "p", "x")
    assert "provider_event_lost" in caplog.messages
