"""Who is mailed when a webhook is disabled by itself: who made it, and whoever is mailed of budgets."""

from collections.abc import Sequence

from sqlalchemy import select

from tollhouse.domain.ports import Mailer
from tollhouse.services.webhooks.health import GONE, Disabled
from tollhouse.store.database import Database
from tollhouse.store.records import UserRecord


class WebhookNotices:
    """By mail, once; the log, a metric, the audit log and the event `webhook.disabled` tell of it as well."""

    def __init__(self, database: Database, mailer: Mailer, others: Sequence[str]) -> None:
        self._database = database
        self._mailer = mailer
        self._others = others

    def disabled(self, webhook: Disabled) -> None:
        """Return at once."""
        for address in dict.fromkeys([*self._makers(webhook), *self._others]):
            self._mailer.send(address, f"The webhook {webhook.name} is disabled", text_of(webhook))

    def _makers(self, webhook: Disabled) -> list[str]:
        if webhook.user_id is None:
            return []
        with self._database.read() as session:
            maker = select(UserRecord.email).where(UserRecord.id == webhook.user_id, UserRecord.disabled_at.is_(None))
            return list(session.scalars(maker))


def text_of(webhook: Disabled) -> str:
    """What happened, and what to do."""
    if webhook.reason == GONE:
        why = "Its receiver answered 410: it wants no more."
    else:
        since = webhook.failing_since.strftime("%Y-%m-%d %H:%M")
        why = f"Nothing arrived there since {since} UTC: {webhook.failures} attempts in a row failed."
    return (
        f"The webhook {webhook.name} ({webhook.id}) is disabled. {why}\n\n"
        f"`tollhouse webhooks deliveries {webhook.id}` shows what was attempted. Mend the receiver, then run\n"
        f"`tollhouse webhooks enable {webhook.id}`: what waits is sent then; what happened meanwhile is not."
    )
