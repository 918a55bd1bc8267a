from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.domain.principal import DEFAULT_TEAM
from tollhouse.store.columns import Document, Instant
from tollhouse.store.records.base import Base


class ApiKeyRecord(Base):
    """A program's key. The key itself is not here: `digest` is a keyed hash of it, `hint` its last four characters.

    After a rotation the one before is good until `previous_until`. A key with a `user_id` ends with that person.
    """

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(8))
    models: Mapped[list[str] | None] = mapped_column(Document)
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)
    team_id: Mapped[str] = mapped_column(String(40), index=True, default=DEFAULT_TEAM, server_default=DEFAULT_TEAM)
    user_id: Mapped[str | None] = mapped_column(String(40), index=True)
    paths: Mapped[list[str] | None] = mapped_column(Document)
    networks: Mapped[list[str] | None] = mapped_column(Document)
    tags: Mapped[list[str] | None] = mapped_column(Document)
    priority: Mapped[str] = mapped_column(String(20), default="interactive", server_default="interactive")
    previous_digest: Mapped[str | None] = mapped_column(String(64), index=True)
    previous_until: Mapped[datetime | None] = mapped_column(Instant)
