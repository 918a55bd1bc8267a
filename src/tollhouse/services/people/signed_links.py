"""Links that do one thing once: signed, so that nobody makes one up, and a row, so that each is used once."""

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from tollhouse.domain.errors import BadRequest
from tollhouse.domain.identifiers import new_id
from tollhouse.store.database import Database
from tollhouse.store.records import LinkRecord

REMOVED_AT_ONCE = 500
KEPT = timedelta(days=2)
"""How long a row stays at least, once its link has expired: how often somebody was written to is counted by them."""


class SignedLinks:
    """Of one kind, as "invitation", good for `life`. `base` is where people's browsers find this gateway; `secrets` are
    the server's, newest first.
    """

    def __init__(self, database: Database, secrets: Sequence[str], kind: str, life: timedelta, base: str) -> None:
        self._database = database
        self._kind = kind
        self._life = life
        self._base = base
        self.use(*secrets)

    def use(self, *secrets: str) -> None:
        """These secrets from here on, newest first."""
        keys = [hmac.digest(secret.encode(), b"tollhouse signed link", "sha256").hex() for secret in secrets]
        # It signs with the last.
        self._serializer = URLSafeTimedSerializer(keys[::-1], salt=f"tollhouse {self._kind}")

    def make(self, session: Session, fields: Mapping[str, Any]) -> tuple[LinkRecord, str]:
        """The row and the address of a new link, in the caller's transaction."""
        now = self._database.now(session)
        old = select(LinkRecord.id).where(LinkRecord.expires_at <= now - max(self._life, KEPT)).limit(REMOVED_AT_ONCE)
        session.execute(
            delete(LinkRecord).where(LinkRecord.id.in_(old)), execution_options={"synchronize_session": False}
        )
        row = LinkRecord(id=new_id("lnk"), kind=self._kind, created_at=now, expires_at=now + self._life, **fields)
        session.add(row)
        # Behind the #, which browsers send to nobody: it is in no log and no referrer on its way.
        return row, f"{self._base}/console/{self._kind.replace('_', '-')}#{self._serializer.dumps(row.id)}"

    def peek(self, token: str) -> str:
        """The id of the link's row. Raises BadRequest where it was not made here, or too long ago."""
        try:
            id = self._serializer.loads(token, max_age=int(self._life.total_seconds()))
        except BadData:
            raise bad_link() from None
        if not isinstance(id, str):
            raise bad_link()
        return id

    def take(self, session: Session, id: str) -> LinkRecord:
        """Use the link up, in the caller's transaction. Raises BadRequest where it was used, or has expired."""
        now: datetime = self._database.now(session)
        taken: LinkRecord | None = session.scalar(
            update(LinkRecord)
            .where(
                LinkRecord.id == id,
                LinkRecord.kind == self._kind,
                LinkRecord.used_at.is_(None),
                LinkRecord.expires_at > now,
            )
            .values(used_at=now)
            .returning(LinkRecord)
        )
        if taken is None:
            raise bad_link()
        return taken

    def void(self, session: Session, *conditions: Any) -> None:
        """Use up the links of this kind that fulfil the conditions."""
        session.execute(
            update(LinkRecord)
            .where(LinkRecord.kind == self._kind, LinkRecord.used_at.is_(None), *conditions)
            .values(used_at=self._database.now(session))
        )


def bad_link() -> BadRequest:
    return BadRequest("This link is not good, or not any more: ask for another.", param="token")
