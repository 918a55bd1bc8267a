"""The part of the wiring that is about webhooks."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property

from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ports import Mailer, Vault
from tollhouse.outside import end_thread
from tollhouse.providers.courier import HttpCourier
from tollhouse.services.keys.events import ExpiringKeys
from tollhouse.services.models.provider_events import ProviderEvents
from tollhouse.services.outbox import Outbox
from tollhouse.services.webhooks.claims import WebhookClaims
from tollhouse.services.webhooks.deliveries import WebhookDeliveries
from tollhouse.services.webhooks.notices import WebhookNotices
from tollhouse.services.webhooks.run import WebhookRun
from tollhouse.services.webhooks.webhooks import Webhooks
from tollhouse.settings import Settings
from tollhouse.store.database import Database

MARGIN_SECONDS = 10.0
"""By how much a claim outlasts the longest attempt: for threads to begin, and for the result to be written."""


class Hooks(ABC):
    """Services of a process, each made when it is first asked for."""

    settings: Settings
    asked_to_stop: Callable[[], bool]

    @property
    @abstractmethod
    def database(self) -> Database: ...

    @property
    @abstractmethod
    def outbox(self) -> Outbox: ...

    @property
    @abstractmethod
    def _vault(self) -> Vault: ...

    @property
    @abstractmethod
    def _mailer(self) -> Mailer: ...

    @cached_property
    def webhooks(self) -> Webhooks:
        return Webhooks(self.database, self._vault, self._courier, self.outbox)

    @cached_property
    def webhook_deliveries(self) -> WebhookDeliveries:
        return WebhookDeliveries(self.database, self.outbox, days=self.settings.webhook_days)

    @cached_property
    def provider_events(self) -> ProviderEvents:
        return ProviderEvents(self.database, self.outbox)

    @cached_property
    def expiring_keys(self) -> ExpiringKeys:
        return ExpiringKeys(self.database, self.outbox)

    @cached_property
    def webhook_claims(self) -> WebhookClaims:
        """Of this process."""
        return WebhookClaims(
            self.database,
            self.outbox,
            new_id("run"),
            lease=timedelta(seconds=self._courier.longest + MARGIN_SECONDS),
            disable_after=timedelta(seconds=self.settings.webhook_disable_seconds),
        )

    def run_webhooks(self, seconds: float, longest: float) -> bool:
        """Deliver until nothing has been due for so long, for `longest` at most; whether there is more."""
        notices = WebhookNotices(self.database, self._mailer, self.settings.budget_alert_emails)
        run = WebhookRun(
            self.webhook_claims,
            self._courier,
            self._vault,
            concurrency=self.settings.webhook_concurrency,
            freshness=MARGIN_SECONDS / 2,
            tell_disabled=notices.disabled,
            asked_to_stop=self.asked_to_stop,
            end_thread=end_thread,
        )
        return run.work(seconds, longest)

    @cached_property
    def _courier(self) -> HttpCourier:
        return HttpCourier.of(self.settings)
