"""Webhooks for tests: everything about them on one database, in this process."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from sqlalchemy import select, update

from tests.receiver import Receiver
from tollhouse.domain.webhooks import Event
from tollhouse.outside import end_thread
from tollhouse.providers.courier import HttpCourier
from tollhouse.services.outbox import Outbox
from tollhouse.services.webhooks.claims import WebhookClaims
from tollhouse.services.webhooks.deliveries import Delivery, WebhookDeliveries
from tollhouse.services.webhooks.health import Disabled
from tollhouse.services.webhooks.run import WebhookRun
from tollhouse.services.webhooks.webhooks import Webhook, Webhooks
from tollhouse.store.database import Database
from tollhouse.store.records import WebhookDeliveryRecord, WebhookRecord
from tollhouse.store.vault import FernetVault

LOOPBACK = (ip_network("127.0.0.0/8"),)
COMPLETED = Event("batch.completed", "team_default", {"id": "batch_1"})
MOMENTS = ("due_at", "lease_until", "ended_at", "created_at")


class World:
    """`courier` may reach this machine."""

    def __init__(self, database: Database, *, answer_seconds: float = 20.0, disable_days: float = 5.0) -> None:
        self.database = database
        self.woken: list[float] = []
        self.told_disabled: list[Disabled] = []
        self.outbox = Outbox(database, lambda: self.woken.append(1))
        self.vault = FernetVault("a secret for tests that is long enough")
        self.courier = HttpCourier(LOOPBACK, answer_seconds)
        self.webhooks = Webhooks(database, self.vault, self.courier, self.outbox)
        self.deliveries = WebhookDeliveries(database, self.outbox, days=30)
        self.disable_after = timedelta(days=disable_days)

    def hook(self, receiver: Receiver | str, *event_types: str, **more: Any) -> Webhook:
        url = receiver if isinstance(receiver, str) else receiver.url
        return self.webhooks.create("a hook", url, event_types or ("*",), **more)

    def tell(self, *events: Event) -> None:
        """Each in a transaction of its own."""
        for event in events or (COMPLETED,):
            with self.database.write() as session:
                self.outbox.add(session, event)

    def claims(self, owner: str = "a", lease: float = 30.0) -> WebhookClaims:
        return WebhookClaims(
            self.database,
            self.outbox,
            owner,
            lease=timedelta(seconds=lease),
            disable_after=self.disable_after,
        )

    def run(self, owner: str = "a", courier: Any = None, **options: Any) -> WebhookRun:
        given = {"concurrency": 32, "freshness": 20.0, **options}
        return WebhookRun(
            self.claims(owner),
            courier or self.courier,
            self.vault,
            tell_disabled=self.told_disabled.append,
            end_thread=end_thread,
            **given,
        )

    def work(self, owner: str = "a", **options: Any) -> bool:
        """Attempt all that is due, and no retry that is due soon."""
        run = self.run(owner, **options)
        run._claims.any_due = lambda within=0.0: WebhookClaims.any_due(run._claims)  # type: ignore[method-assign]
        return run.work(0.0, 60.0)

    def of(self, webhook: Webhook) -> list[Delivery]:
        """Its deliveries, oldest first."""
        return sorted(self.deliveries.page(webhook.id, 200).items, key=lambda one: one.created_at)

    def show(self, webhook: Webhook) -> Webhook:
        return self.webhooks.get(webhook.id)

    def pass_time(self, **time: float) -> None:
        """For all that there is."""
        row = WebhookDeliveryRecord
        with self.database.write() as session:
            for one in session.scalars(select(row)).all():
                for name in MOMENTS:
                    if (moment := getattr(one, name)) is not None:
                        setattr(one, name, moment - timedelta(**time))
            for hook in session.scalars(select(WebhookRecord)).all():
                hook.failing_since = hook.failing_since and hook.failing_since - timedelta(**time)

    def due_now(self) -> None:
        with self.database.write() as session:
            now = self.database.now(session)
            session.execute(update(WebhookDeliveryRecord).values(due_at=now - timedelta(seconds=1)))
