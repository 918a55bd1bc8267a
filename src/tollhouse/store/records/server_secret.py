from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Instant
from tollhouse.store.records.base import Base


class ServerSecretRecord(Base):
    """A secret key that this database was used with, by its fingerprint: with another, its keys would be void."""

    __tablename__ = "server_secrets"

    fingerprint: Mapped[str] = mapped_column(String(64), primary_key=True)
    known_since: Mapped[datetime] = mapped_column(Instant)
