"""The ledger's archive: rows of days long ago, a Parquet file a UTC day, in a folder that all machines share, or in a
bucket.

Everything but whom a call was made for: whoever is deleted must be forgotten, and files are written once.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tollhouse.domain.errors import ContentMissing, InvalidSetting
from tollhouse.domain.ports import Blobs
from tollhouse.store.records import ArchivedDayRecord, LedgerRecord

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = tuple(column.name for column in LedgerRecord.__table__.columns if column.name != "end_user")
READ_AT_ONCE = 8 << 20
_DAY = timedelta(days=1)
Moment = datetime | None


class Archive:
    """Reads, from the first of its stores that has a file: there may be some in a folder from before there was a
    bucket. `stores` opens them for one question, in whatever thread asks it: connections belong to threads. None are
    for tests, and for a gateway that archives nothing.
    """

    def __init__(self, stores: Callable[[], AbstractContextManager[Sequence[Blobs]]]) -> None:
        self._stores = stores

    def until(self, session: Session) -> Moment:
        """Before this, rows are in the archive alone; None where nothing was archived."""
        last: date | None = session.scalar(select(func.max(ArchivedDayRecord.day)))
        return None if last is None else _midnight(last) + _DAY

    def sums(
        self,
        session: Session,
        columns: Sequence[str],
        minutes: int | None,
        begin: Moment,
        end: Moment,
        teams: frozenset[str] | None,
    ) -> Iterator[tuple[Any, ...]]:
        """What is archived of [begin, end), added up by columns and, where `minutes` is given, by pieces of time of
        this length before these; the sums are those of `UsageSums`. Raises InvalidSetting, ContentMissing.
        """
        for frame in self._frames(session, begin, end, teams):
            by: list[Any] = [frame["booked_at"].dt.floor(f"{minutes}min")] if minutes else []
            by += [frame[name] if name in frame else _nobody(frame) for name in columns]
            numbers = _numbers(frame)
            if not by:
                yield tuple(int(number) for number in numbers.sum())
                continue
            for name, *sums in numbers.groupby(by, dropna=False, sort=False).sum().itertuples():
                group = name if isinstance(name, tuple) else (name,)
                yield (*(_plain(one) for one in group), *(int(number) for number in sums))

    def rows(self, session: Session, begin: Moment = None, end: Moment = None) -> Iterator[dict[str, Any]]:
        """What is archived of [begin, end), a row each. Raises InvalidSetting, ContentMissing."""
        for frame in self._frames(session, begin, end, None):
            for row in frame.to_dict("records"):
                yield {name: _plain(value) for name, value in row.items()}

    def _frames(
        self, session: Session, begin: Moment, end: Moment, teams: frozenset[str] | None
    ) -> Iterator["DataFrame"]:
        asked = select(ArchivedDayRecord.day, ArchivedDayRecord.file).order_by(ArchivedDayRecord.day)
        if begin is not None:
            asked = asked.where(ArchivedDayRecord.day >= begin.astimezone(UTC).date())
        if end is not None:
            asked = asked.where(ArchivedDayRecord.day <= (end - timedelta(microseconds=1)).astimezone(UTC).date())
        days = session.execute(asked).all()
        if not days:
            return
        with self._stores() as stores:
            for _, name in days:
                frame = _read(stores, name)
                if begin is not None:
                    frame = frame[frame["booked_at"] >= begin]
                if end is not None:
                    frame = frame[frame["booked_at"] < end]
                if teams is not None:
                    frame = frame[frame["team_id"].isin(teams)]
                if len(frame):
                    yield frame


NO_ARCHIVE = Archive(lambda: nullcontext(()))


def _read(stores: Sequence[Blobs], name: str) -> "DataFrame":
    check_installed()
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not stores:
        raise InvalidSetting("Rows of this time are in an archive, and no place is set for one.")
    for store in stores:
        with suppress(ContentMissing, pa.ArrowInvalid):
            return pq.read_table(pa.BufferReader(content_of(store, name))).to_pandas(integer_object_nulls=True)
    raise ContentMissing(
        f"The archive's file {name} is not there, or is damaged: a folder must be shared by all machines."
    )


def content_of(store: Blobs, name: str) -> bytes:
    """All of a file. Raises ContentMissing, Unavailable."""
    blob, parts, length = store.open(name), list[bytes](), 0
    try:
        while part := blob.read(length, READ_AT_ONCE):
            parts.append(part)
            length += len(part)
    finally:
        blob.close()
    return b"".join(parts)


def check_installed() -> None:
    """Raise InvalidSetting unless what reads and writes Parquet is installed."""
    try:
        import pandas  # noqa: F401, ICN001
        import pyarrow  # noqa: F401, ICN001
    except ImportError:
        raise InvalidSetting("Parquet files need more than is installed: `pip install 'tollhouse[reports]'`.") from None


def _numbers(frame: "DataFrame") -> "DataFrame":
    """As `sums_of_ledger` has them, a column each, of each row."""
    is_call, has_cost = frame["kind"] == "call", frame["cost"].notna()
    seen = (frame["status"] > 0) | (frame["outcome"] == "process_died")
    numbers = frame[["input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"]].copy()
    numbers.insert(0, "requests", (is_call & (frame["attempt"] == 1)).astype("int64"))
    numbers["cost"] = frame["cost"].fillna(0).astype("int64")
    numbers["unpriced"] = (~has_cost).astype("int64")
    numbers["cached"] = frame["saved"].notna().astype("int64")
    numbers["saved"] = frame["saved"].fillna(0).astype("int64")
    numbers["failed"] = (is_call & seen & ~frame["outcome"].isin(("ok", "client_gone"))).astype("int64")
    return numbers


def _nobody(frame: "DataFrame") -> Any:
    return frame["key_id"].map(lambda _: "")


def _plain(value: Any) -> Any:
    """Without what is pandas' own: missing values, moments, numbers."""
    import pandas as pd

    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return None
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime().astimezone(UTC)
    return value.item() if hasattr(value, "item") else value


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
