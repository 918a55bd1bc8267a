from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.records.base import Base


class ChangeCounterRecord(Base):
    """One row. Every change to keys, providers, models or budgets adds one to it in its own transaction;
    every process polls it, and reads it in each group commit.
    """

    __tablename__ = "change_counter"

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
