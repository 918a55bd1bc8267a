"""`tollhouse webhooks`."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from tests.gateway import settings_for
from tests.integration.cli.conftest import Tollhouse
from tests.receiver import Receiver, receiving
from tollhouse.domain.actor import Actor
from tollhouse.domain.rights import Role
from tollhouse.wiring import build

NETWORKS = {"TOLLHOUSE_WEBHOOK_NETWORKS": "127.0.0.0/8"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def deliver(tollhouse: Tollhouse) -> None:
    """As a worker does."""
    services = build(settings_for(tollhouse.home, webhook_networks=(ip_network("127.0.0.0/8"),)), "worker")
    services.webhook_claims.any_due = lambda within=0.0: False  # type: ignore[method-assign]
    services.run_webhooks(0.0, 60.0)
    services.close()


def latest(tollhouse: Tollhouse, id: str) -> Any:
    return tollhouse.json("webhooks", "deliveries", id)[0]


def test_one_is_made_tried_looked_at_rotated_and_disabled(tollhouse: Tollhouse, receiver: Receiver) -> None:
    made = tollhouse.json("webhooks", "create", receiver.url, "--event", "batch.completed", **NETWORKS)
    id, secret = made["id"], made["signing_secret"]
    assert (made["event_types"], made["team_id"]) == (["batch.completed"], "team_default")
    assert made["name"] == f"127.0.0.1:{receiver.port}"
    sent = tollhouse.json("webhooks", "test", id)
    assert (sent["state"], sent["event_type"]) == ("waiting", "webhook.test")
    deliver(tollhouse)
    assert receiver.got[0].unwrapped(secret).type == "webhook.test"
    assert (latest(tollhouse, id)["state"], latest(tollhouse, id)["log"][0]["status"]) == ("delivered", 200)
    table = tollhouse("webhooks", "deliveries", id, "--state", "delivered").stdout
    assert "webhook.test" in table
    assert tollhouse.json("webhooks", "deliveries", id, "--state", "failed") == []
    rotated = tollhouse("webhooks", "rotate", id, "--overlap", "1h").stdout
    assert "whsec_" in rotated
    assert f"…{secret[-4:]} until" in rotated
    tollhouse("webhooks", "redeliver", id, sent["id"])
    deliver(tollhouse)
    assert receiver.got[1].id == receiver.got[0].id
    receiver.got[1].unwrapped(secret)
    receiver.answer = lambda _: (410, {})
    tollhouse("webhooks", "redeliver", id, sent["id"])
    deliver(tollhouse)
    assert "disabled (gone)" in tollhouse("webhooks", "list").stdout
    assert "is disabled: enable it first" in tollhouse.error("webhooks", "test", id)
    assert tollhouse.json("webhooks", "enable", id)["enabled"] is True
    assert tollhouse.json("webhooks", "redeliver", id, "--failed-since", "2026-01-01") == {"deliveries": 1}
    assert latest(tollhouse, id)["state"] == "waiting"
    assert "--failed-since" in tollhouse.error("webhooks", "redeliver", id, status=2)
    assert tollhouse.json("webhooks", "disable", id)["disabled_for"] == "by_hand"
    tollhouse("webhooks", "remove", id)
    assert "There is no webhook" in tollhouse.error("webhooks", "deliveries", id)
    assert tollhouse.json("webhooks", "list") == []


def test_who_made_it_is_mailed_when_it_is_disabled_by_itself(tollhouse: Tollhouse, receiver: Receiver) -> None:
    tollhouse("webhooks", "list")  # which makes the database
    here = {"webhook_networks": (ip_network("127.0.0.0/8"),), "budget_alert_emails": ("ops@example.com",)}
    services = build(settings_for(tollhouse.home, **here), "worker")
    ada = services.users.create("ada@example.com", "a password for tests", role=Role.OWNER).user.id
    by = Actor("person", ada, Role.OWNER)
    hook = services.webhooks.create("results", receiver.url, ["*"], by=by)
    receiver.answer = lambda _: (410, {})
    services.webhook_deliveries.test(hook.id)
    sent: list[tuple[str, str, str]] = []
    services._mailer.send = lambda to, subject, text: sent.append((to, subject, text))  # type: ignore[method-assign]
    services.run_webhooks(0.0, 60.0)
    services.close()
    assert [to for to, _, _ in sent] == ["ada@example.com", "ops@example.com"]
    assert sent[0][1] == "The webhook results is disabled"
    assert "Its receiver answered 410" in sent[0][2]
    assert f"tollhouse webhooks enable {hook.id}" in sent[0][2]


def test_what_is_wrong_is_said(tollhouse: Tollhouse) -> None:
    assert "private address" in tollhouse.error("webhooks", "create", "http://127.0.0.1/x", status=2)
    assert "https://hooks.example.com" in tollhouse.error("webhooks", "create", "nothing", status=2)
    assert "there is no event 'x'" in tollhouse.error(
        "webhooks", "create", "https://a.example", "--event", "x", status=2
    )
    both = ("--team", "a", "--organisation")
    assert "--team or --organisation" in tollhouse.error("webhooks", "create", "https://a.example", *both, status=2)
    assert "There is no team" in tollhouse.error("webhooks", "create", "https://a.example", "--team", "none")
    tollhouse("webhooks", "create", "https://a.example", "--organisation", "--event", "provider.down")
    assert "the organisation" in tollhouse("webhooks", "list").stdout
