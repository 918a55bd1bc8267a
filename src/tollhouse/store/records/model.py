from datetime import datetime

from sqlalchemy import BigInteger, Double, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Document, Instant
from tollhouse.store.records.base import Base


class ModelRecord(Base):
    """A public model name. Prices are nano-dollars per million tokens, the unit's per whole unit; NULL: the
    published price list's. `cache_seconds` is how long replies are kept: NULL where each call says, 0 for never;
    `cache_embedding_model` is by whose vectors similar questions are found: NULL for none.
    """

    __tablename__ = "models"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    provider_id: Mapped[str] = mapped_column(ForeignKey("providers.id"), index=True)
    upstream_model: Mapped[str] = mapped_column(String(200))
    input_price: Mapped[int | None] = mapped_column(BigInteger)
    output_price: Mapped[int | None] = mapped_column(BigInteger)
    unit_price: Mapped[int | None] = mapped_column(BigInteger)
    context_window: Mapped[int | None]
    max_output: Mapped[int | None]
    fallbacks: Mapped[list[str]] = mapped_column(Document)
    cache_seconds: Mapped[int | None]
    cache_embedding_model: Mapped[str | None] = mapped_column(String(200))
    cache_similarity: Mapped[float | None] = mapped_column(Double)
    created_at: Mapped[datetime] = mapped_column(Instant)
