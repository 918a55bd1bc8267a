from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Instant
from tollhouse.store.records.base import Base


class PayloadRecord(Base):
    """What was asked in one call and what was answered, of a team that keeps this.

    `content` is sealed under a key of its own, and `data_key` is that key, sealed by the vault: a new secret of the
    server seals the short one anew, and forgets nothing.
    """

    __tablename__ = "payloads"
    __table_args__ = (Index("ix_payloads_team", "team_id", "kept_at"),)

    request_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    team_id: Mapped[str] = mapped_column(String(40), ForeignKey("teams.id"))
    kept_at: Mapped[datetime] = mapped_column(Instant)
    data_key: Mapped[str] = mapped_column(String(300))
    content: Mapped[bytes] = mapped_column(LargeBinary)
