from datetime import date, datetime

from sqlalchemy import BigInteger, String, false
from sqlalchemy.orm import Mapped, mapped_column

from tollhouse.store.columns import Instant
from tollhouse.store.records.base import Base


class Sums:
    """What is added up."""

    requests: Mapped[int] = mapped_column(BigInteger)
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    cache_read_tokens: Mapped[int] = mapped_column(BigInteger)
    cache_write_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    cost: Mapped[int] = mapped_column(BigInteger)
    unpriced: Mapped[int] = mapped_column(BigInteger)
    cached: Mapped[int] = mapped_column(BigInteger)
    saved: Mapped[int] = mapped_column(BigInteger)
    failed: Mapped[int] = mapped_column(BigInteger)


class DailyUsageRecord(Sums, Base):
    """The ledger, added up by UTC day. Rows of a day appear together with its `RolledDayRecord`.

    `user_id` is "" for calls of no person, `tags` are those of a call together, joined as in `domain/tags.py`.
    """

    __tablename__ = "daily_usage"

    day: Mapped[date] = mapped_column(primary_key=True)
    key_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    team_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    provider: Mapped[str] = mapped_column(String(100), primary_key=True)
    tags: Mapped[str] = mapped_column(String(1100), primary_key=True)


class DailyEndUserUsageRecord(Sums, Base):
    """The same by whom calls were made for: apart, as there may be as many of them as calls. "" is nobody named."""

    __tablename__ = "daily_end_user_usage"

    day: Mapped[date] = mapped_column(primary_key=True)
    team_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    end_user: Mapped[str] = mapped_column(String(256), primary_key=True)


class HourlyUsageRecord(Sums, Base):
    """The same by hour of UTC, and by what there are few of: so that days of other zones are added up quickly."""

    __tablename__ = "hourly_usage"
    # In the order of its key, so that SQLite reads a part of it from one end to the other.
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - SQLAlchemy reads it once

    hour: Mapped[datetime] = mapped_column(Instant, primary_key=True)
    team_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    provider: Mapped[str] = mapped_column(String(100), primary_key=True)


class PartHourUsageRecord(Sums, Base):
    """The same of the first `minutes` of hours in which days of some zones begin, which are no whole hours from UTC."""

    __tablename__ = "part_hour_usage"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - SQLAlchemy reads it once

    hour: Mapped[datetime] = mapped_column(Instant, primary_key=True)
    minutes: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    provider: Mapped[str] = mapped_column(String(100), primary_key=True)


class RolledDayRecord(Base):
    """A UTC day that is added up for good: what is read from the tables above, not from the ledger. Of days that were
    archived before there were parts of hours there are none.
    """

    __tablename__ = "rolled_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    parts: Mapped[bool] = mapped_column(server_default=false())
