"""The part of the wiring that watches: what waits and is held, and where alerts are told."""

from abc import ABC, abstractmethod
from contextlib import closing
from datetime import UTC, datetime
from functools import cached_property

from tollhouse.domain.ports import Mailer
from tollhouse.domain.webhooks import same_id
from tollhouse.providers.proxy import Proxy
from tollhouse.providers.webhook import Webhook
from tollhouse.services.alert_deliveries import AlertDeliveries, Send
from tollhouse.services.budget_alert import BudgetAlert, document_of, subject_of, text_of
from tollhouse.services.budget_alerts import BudgetAlerts, log_alert
from tollhouse.services.outbox import Outbox
from tollhouse.services.survey import Survey
from tollhouse.services.webhook_signing import signed
from tollhouse.settings import Settings
from tollhouse.store.database import Database
from tollhouse.wire import json_text


class Alerts(ABC):
    """Services of a process, each made when it is first asked for."""

    settings: Settings

    @property
    @abstractmethod
    def database(self) -> Database: ...

    @property
    @abstractmethod
    def outbox(self) -> Outbox: ...

    @property
    @abstractmethod
    def _mailer(self) -> Mailer: ...

    @cached_property
    def budget_alerts(self) -> BudgetAlerts:
        return BudgetAlerts(self.database, log_alert, tuple(self._channels), self.outbox)

    @cached_property
    def alert_deliveries(self) -> AlertDeliveries:
        return AlertDeliveries(self.database, self._channels)

    @cached_property
    def survey(self) -> Survey:
        return Survey(self.database)

    @cached_property
    def _channels(self) -> dict[str, Send]:
        channels: dict[str, Send] = {}
        if self.settings.budget_alert_emails:
            channels["mail"] = self._mail_alert
        if self.settings.budget_alert_url:
            channels["webhook"] = self._post_alert
        return channels

    def _mail_alert(self, alert: BudgetAlert) -> None:
        self._mailer.deliver(self.settings.budget_alert_emails, subject_of(alert), text_of(alert))

    def _post_alert(self, alert: BudgetAlert) -> None:
        # Not kept: what is connected belongs to the thread that it was made in.
        webhook = Webhook(
            self.settings.budget_alert_url,
            allow_private=self.settings.budget_alert_private == "on",
            proxy=Proxy.of(self.settings),
            ca_bundle=self.settings.ca_bundle,
        )
        body, secret = json_text.write(document_of(alert)), self.settings.budget_alert_secret
        id = same_id("budget.alert", alert.budget_id, str(alert.percent), alert.raised_at.isoformat())
        headers = signed([secret], id, body, datetime.now(UTC)) if secret else {}
        with closing(webhook):
            webhook.post(body, headers)
