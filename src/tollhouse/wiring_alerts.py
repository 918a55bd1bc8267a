"""The part of the wiring that watches: what waits and is held, and where alerts are told."""

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from functools import cached_property

from tollhouse import metrics
from tollhouse.domain.ports import Mailer
from tollhouse.domain.webhooks import same_id
from tollhouse.providers.webhook import Webhook
from tollhouse.services.money.alert_deliveries import AlertDeliveries, Send
from tollhouse.services.money.budget_alert import BudgetAlert, document_of, subject_of, text_of
from tollhouse.services.money.budget_alerts import BudgetAlerts, log_alert
from tollhouse.services.outbox import Outbox
from tollhouse.services.troubles.deliveries import Send as SendTrouble
from tollhouse.services.troubles.deliveries import TroubleDeliveries
from tollhouse.services.troubles.signs import Signs, Thresholds
from tollhouse.services.troubles.survey import Survey
from tollhouse.services.troubles.troubles import Told, Troubles
from tollhouse.services.troubles.troubles import document_of as trouble_document
from tollhouse.services.troubles.troubles import subject_of as trouble_subject
from tollhouse.services.troubles.troubles import text_of as trouble_text
from tollhouse.services.webhooks.signing import signed
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
    def troubles(self) -> Troubles:
        settings = self.settings
        signs = Signs(
            self.database,
            Thresholds(settings.alert_errors, settings.alert_queue_seconds, settings.alert_lag_seconds),
            ledger_lag=lambda: metrics.highest("tollhouse_ledger_lag_seconds"),
        )
        return Troubles(self.database, self.survey, signs, tuple(self._trouble_channels))

    @cached_property
    def trouble_deliveries(self) -> TroubleDeliveries:
        return TroubleDeliveries(self.database, self._trouble_channels)

    @cached_property
    def _trouble_channels(self) -> dict[str, SendTrouble]:
        channels: dict[str, SendTrouble] = {}
        if self.settings.alert_emails:
            channels["mail"] = lambda told: self._mailer.deliver(
                self.settings.alert_emails, trouble_subject(told), trouble_text(told)
            )
        if self.settings.alert_url:
            channels["webhook"] = self._post_trouble
        return channels

    def _post_trouble(self, told: Told) -> None:
        private = self.settings.alert_private == "on"
        webhook = Webhook.of(self.settings, self.settings.alert_url, allow_private=private)
        webhook.post(json_text.write(trouble_document(told)), {})

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
        body, secret = json_text.write(document_of(alert)), self.settings.budget_alert_secret
        id = same_id("budget.alert", alert.budget_id, str(alert.percent), alert.raised_at.isoformat())
        headers = signed([secret], id, body, datetime.now(UTC)) if secret else {}
        private = self.settings.budget_alert_private == "on"
        Webhook.of(self.settings, self.settings.budget_alert_url, allow_private=private).post(body, headers)
