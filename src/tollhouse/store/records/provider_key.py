from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Instant
from tollhouse.store.records.base import Base


class ProviderKeyRecord(Base):
    """A further key of a provider, beside the one in its own row. `credential` is sealed."""

    __tablename__ = "provider_keys"
    __table_args__ = (UniqueConstraint("provider_id", "name", name="uq_provider_keys_provider_id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    provider_id: Mapped[str] = mapped_column(ForeignKey("providers.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(100))
    credential: Mapped[str] = mapped_column(String(4000))
    created_at: Mapped[datetime] = mapped_column(Instant)
