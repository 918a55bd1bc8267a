from typing import Any

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Document
from tollhouse.store.records.base import Base


class PriceTermsRecord(Base):
    """What is said of a model's prices beyond input and output. Prices are nano-dollars per million tokens.

    `long_context` are steps: {above, input, output} and maybe {cached_input, cache_write}.
    """

    __tablename__ = "price_terms"

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    cached_input: Mapped[int | None] = mapped_column(BigInteger)
    cache_write: Mapped[int | None] = mapped_column(BigInteger)
    batch_discount: Mapped[int]
    long_context: Mapped[list[dict[str, Any]]] = mapped_column(Document)
