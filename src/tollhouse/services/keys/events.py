"""What webhooks are told of API keys."""

from datetime import timedelta

from sqlalchemy import select

from tollhouse.domain.webhooks import Event, same_id
from tollhouse.services.outbox import Tells
from tollhouse.store.database import Database
from tollhouse.store.records import ApiKeyRecord

SOON = timedelta(days=7)
CHUNK = 100


def key_event(kind: str, row: ApiKeyRecord, id: str | None = None) -> Event:
    """The event of this key; neither it nor a hash of it is in it."""
    data = {
        "id": row.id,
        "name": row.name,
        "hint": row.hint,
        "team_id": row.team_id,
        "user_id": row.user_id,
        "expires_at": row.expires_at and row.expires_at.isoformat().replace("+00:00", "Z"),
    }
    return Event(kind, row.team_id, data, id)


class ExpiringKeys:
    """Tells of each key once that it ends within a week, and once more where it was given another end."""

    def __init__(self, database: Database, outbox: Tells) -> None:
        self._database = database
        self._outbox = outbox

    def run(self) -> None:
        row = ApiKeyRecord
        last = ""
        while True:
            with self._database.write() as session:
                now = self._database.now(session)
                ending = (row.revoked_at.is_(None), row.expires_at > now, row.expires_at <= now + SOON)
                found = session.scalars(select(row).where(*ending, row.id > last).order_by(row.id).limit(CHUNK)).all()
                for key in found:
                    assert key.expires_at is not None  # noqa: S101 - it was asked for
                    id = same_id("key.expiring", key.id, key.expires_at.isoformat())
                    self._outbox.add(session, key_event("key.expiring", key, id))
            if len(found) < CHUNK:
                return
            last = found[-1].id
