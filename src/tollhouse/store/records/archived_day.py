from datetime import date, datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Instant
from tollhouse.store.records.base import Base


class ArchivedDayRecord(Base):
    """A UTC day whose rows are read from a file of the archive and not from the ledger, from when this is here on.
    Days are archived in order.
    """

    __tablename__ = "archived_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    file: Mapped[str] = mapped_column(String(100))
    rows: Mapped[int] = mapped_column(BigInteger)
    archived_at: Mapped[datetime] = mapped_column(Instant)
