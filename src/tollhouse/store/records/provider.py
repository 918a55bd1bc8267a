from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Instant
from tollhouse.store.records.base import Base


class ProviderRecord(Base):
    """A host. `credential` is sealed; `preset` names the file in `providers/` that knows its paths and headers;
    `vendor` is whose published prices hold there, where somebody has said so.
    """

    __tablename__ = "providers"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    preset: Mapped[str] = mapped_column(String(40))
    base_url: Mapped[str] = mapped_column(String(2000))
    credential: Mapped[str | None] = mapped_column(String(4000))
    allow_private: Mapped[bool]
    vendor: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(Instant)
