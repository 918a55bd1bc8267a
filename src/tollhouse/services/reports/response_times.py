"""How long calls took: percentiles of what was booked, exactly, each a time that some call had."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.tables import Column, Table
from tollhouse.services.reports.usage import teams_of_money
from tollhouse.services.reports.usage_question import COLUMNS, between
from tollhouse.store.archive import Archive
from tollhouse.store.ledger.rows import CALL
from tollhouse.store.records import LedgerRecord
from tollhouse.store.searches import Searches

PERCENTS = (50, 90, 95, 99)
GROUPS = ("key", "user", "team", "model", "provider")
_TIMES = ("latency_us", "first_token_us")
Name = tuple[Any, ...]


class ResponseTimes:
    """Reads every row of the time that is asked about: there are no sums of which a percentile could be made."""

    def __init__(self, searches: Searches, archive: Archive) -> None:
        self._searches = searches
        self._archive = archive

    def table(
        self, by: Sequence[str], since: datetime | None, until: datetime | None, team_id: str | None, actor: Actor
    ) -> Table:
        """Milliseconds by groups, of calls that were answered by a provider. Raises InvalidField, Forbidden, NotFound,
        SearchTooLong.
        """
        teams = teams_of_money(actor, team_id)
        check_groups_of_times(by)
        columns = [COLUMNS[group] for group in by]

        def find(session: Session) -> dict[Name, dict[str, list[int | None]]]:
            archived_until = self._archive.until(session)
            if archived_until is None or (since is not None and since >= archived_until):
                return _in_database(session, columns, [*between(since, until), *_of(teams)])
            return self._in_memory(session, columns, since, until, teams)

        found = self._searches.ask(find)
        heads = [Column(group, "text") for group in by]
        told = [Column(f"{time}_p{percent}_ms", "share") for time in ("total", "first_token") for percent in PERCENTS]
        rows = []
        for name, times in sorted(found.items(), key=lambda one: [str(part or "") for part in one[0]]):
            count, *values = (*times["calls"], *times[_TIMES[0]], *times.get(_TIMES[1], [None] * len(PERCENTS)))
            numbers = [None if value is None else value / 1000 for value in values]
            rows.append((*(str(part or "") for part in name), count, *numbers))
        return Table("latency", [*heads, Column("calls"), *told], rows)

    def _in_memory(
        self,
        session: Session,
        columns: Sequence[str],
        since: datetime | None,
        until: datetime | None,
        teams: frozenset[str] | None,
    ) -> dict[Name, dict[str, list[int | None]]]:
        """Of times of which a part is in the archive."""
        values: dict[Name, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))

        def take(row: Any) -> None:
            name = tuple(row[column] for column in columns)
            for time in _TIMES:
                if row[time] is not None:
                    values[name][time].append(row[time])

        for row in self._archive.rows(session, since, until):
            answered = row["kind"] == CALL and 200 <= row["status"] < 300 and row["saved"] is None
            if answered and (teams is None or row["team_id"] in teams):
                take(row)
        archived_until = self._archive.until(session)
        asked = select(*(getattr(LedgerRecord, name) for name in (*columns, *_TIMES)))
        for one in session.execute(asked.where(*between(archived_until, until), *_answered(), *_of(teams))):
            take(one._mapping)
        return {
            name: {"calls": [len(of_name[_TIMES[0]])], **{time: _ranked(sorted(all)) for time, all in of_name.items()}}
            for name, of_name in values.items()
        }


def check_groups_of_times(by: Sequence[str]) -> None:
    """Raise InvalidField where times are not told by these."""
    if not by or any(group not in GROUPS for group in by) or len(set(by)) < len(by):
        raise InvalidField(f"by: of times it must be some of {', '.join(GROUPS)}.", param="by")


def _in_database(
    session: Session, columns: Sequence[str], conditions: Sequence[ColumnElement[bool]]
) -> dict[Name, dict[str, list[int | None]]]:
    found: dict[Name, dict[str, list[int | None]]] = {}
    dimensions = [getattr(LedgerRecord, name) for name in columns]
    for time in _TIMES:
        value = getattr(LedgerRecord, time)
        ranked = (
            select(
                *dimensions,
                value.label("value"),
                func.row_number().over(partition_by=dimensions, order_by=value).label("place"),
                func.count().over(partition_by=dimensions).label("calls"),
            )
            .where(*conditions, *_answered(), value.is_not(None))
            .subquery()
        )
        of_name = [ranked.c[name] for name in columns]
        percentiles = [
            func.min(case((ranked.c.place * 100 >= percent * ranked.c.calls, ranked.c.value))) for percent in PERCENTS
        ]
        for row in session.execute(select(*of_name, ranked.c.calls, *percentiles).group_by(*of_name, ranked.c.calls)):
            name, (calls, *values) = tuple(row[: len(columns)]), row[len(columns) :]
            times = found.setdefault(name, {})
            times.setdefault("calls", [calls])
            times[time] = values
    return found


def _answered() -> list[ColumnElement[bool]]:
    row = LedgerRecord
    return [row.kind == CALL, row.status >= 200, row.status < 300, row.saved.is_(None)]


def _of(teams: frozenset[str] | None) -> list[ColumnElement[bool]]:
    return [] if teams is None else [LedgerRecord.team_id.in_(sorted(teams))]


def _ranked(values: Sequence[int]) -> list[int | None]:
    return [values[-(-percent * len(values) // 100) - 1] for percent in PERCENTS]
