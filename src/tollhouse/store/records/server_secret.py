from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Instant
from tollhouse.store.records.base import Base


class ServerSecretRecord(Base):
    """A secret key that this database was used with, by its fingerprint: with another, its keys would be void.

    `key_seed` is what of it API keys are known by, sealed: so they stay good when the secret itself is gone.
    """

    __tablename__ = "server_secrets"

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    known_since: Mapped[datetime] = mapped_column(Instant)
    forgotten_at: Mapped[datetime | None] = mapped_column(Instant)
    key_seed: Mapped[str | None] = mapped_column(Text)
