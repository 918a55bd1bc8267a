"""Budget alerts that are posted to the address of a setting: signed where there is a secret for it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.gateway import settings_for
from tests.receiver import Arrived, receiving
from tollhouse.domain.errors import InvalidSetting, UpstreamRejected
from tollhouse.services.money.budget_alert import BudgetAlert
from tollhouse.services.webhooks.signing import new_secret
from tollhouse.settings import load
from tollhouse.wiring import build

ALERT = BudgetAlert("bud_1", ("tag", "x"), "month", True, 80, 8, 10, datetime(2026, 1, 2, tzinfo=UTC))


def posted(home: Path, times: int = 1, status: int = 200, secret: str = "") -> list[Arrived]:
    with receiving() as receiver:
        receiver.answer = lambda _: (status, {})
        settings = settings_for(
            home, budget_alert_url=receiver.url, budget_alert_private="on", budget_alert_secret=secret
        )
        services = build(settings, "worker")
        for _ in range(times):
            services._channels["webhook"](ALERT)
        return receiver.got


def test_with_a_secret_they_are_signed_under_the_same_id_each_time(tmp_path: Path) -> None:
    secret = new_secret()
    first, second = posted(tmp_path, 2, secret=secret)
    assert first.id == second.id
    assert Webhook(secret).verify(first.body, dict(first.headers))["percent"] == 80


def test_without_one_they_are_posted_as_they_are(tmp_path: Path) -> None:
    (arrived,) = posted(tmp_path)
    assert "webhook-signature" not in arrived.headers
    assert arrived.event["text"].startswith("80 % of the budget")


def test_what_is_not_taken_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(UpstreamRejected, match="500"):
        posted(tmp_path, status=500)


@pytest.mark.parametrize("secret", ["secret", "whsec_", "whsec_!", "whsec_c2hvcnQ="])
def test_what_is_no_secret_is_refused_and_not_shown(tmp_path: Path, secret: str) -> None:
    with pytest.raises(InvalidSetting, match="TOLLHOUSE_BUDGET_ALERT_SECRET") as raised:
        load({"TOLLHOUSE_BUDGET_ALERT_SECRET": secret}, tmp_path / ".env")
    assert f"{secret!r}" not in raised.value.message
