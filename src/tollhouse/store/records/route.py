from sqlalchemy import BigInteger, Float, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Document
from tollhouse.store.records.base import Base


class RouteRecord(Base):
    """How a model's calls are routed, where somebody has said so; and, of its first deployment, which is the model's
    own row, what `DeploymentRecord` says of the others.
    """

    __tablename__ = "routes"

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    strategy: Mapped[str] = mapped_column(String(20))
    sticky: Mapped[str | None] = mapped_column(String(20))
    aliases: Mapped[list[str]] = mapped_column(Document)
    context_fallbacks: Mapped[list[str]] = mapped_column(Document)
    refusal_fallbacks: Mapped[list[str]] = mapped_column(Document)
    connect_seconds: Mapped[float | None] = mapped_column(Float)
    first_byte_seconds: Mapped[float | None] = mapped_column(Float)
    idle_seconds: Mapped[float | None] = mapped_column(Float)
    total_seconds: Mapped[float | None] = mapped_column(Float)
    weight: Mapped[int]
    priority: Mapped[int]
    lacks: Mapped[list[str]] = mapped_column(Document)
    rpm: Mapped[int | None] = mapped_column(BigInteger)
    tpm: Mapped[int | None] = mapped_column(BigInteger)
    concurrency: Mapped[int | None] = mapped_column(BigInteger)
