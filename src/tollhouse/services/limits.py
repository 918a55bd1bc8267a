"""Limits: how much a scope may have a minute, and how many open calls at once."""

from collections.abc import Mapping

from sqlalchemy import Select, select

from tollhouse.domain.errors import InvalidField, NotFound
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.limits import Limit
from tollhouse.domain.principal import Scope
from tollhouse.services.scopes import existing_scope
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import LimitRecord

SCOPE_KINDS = ("key", "user", "team", "model", "organisation")
KINDS = ("rpm", "tpm", "concurrency")
MOST = 10**12


class Limits:
    """One limit for each scope, of up to three kinds; what is changed applies within a second, everywhere."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, scope: Scope, changes: Mapping[str, int | None]) -> Limit:
        """Make the scope's limit, or change what `changes` names of it: `rpm`, `tpm`, `concurrency`; None lifts one.

        What was taken of it so far still counts.
        """
        _check(changes)
        with self._database.write() as session:
            announce(session)  # first of all, for that row lets in one change at a time
            scope = existing_scope(session, scope, SCOPE_KINDS)
            row = session.scalar(_of(scope))
            wanted = {kind: getattr(row, kind, None) for kind in KINDS} | dict(changes)
            if not any(most is not None for most in wanted.values()):
                raise InvalidField(
                    "Nothing would be limited: give at least one of rpm, tpm and concurrency, or remove the limit.",
                    param="rpm",
                )
            if row is None:
                row = LimitRecord(
                    id=new_id("lim"),
                    scope_kind=scope[0],
                    scope_id=scope[1],
                    team_id=scope[1] if scope[0] == "team" else None,
                    created_at=self._database.now(session),
                )
                session.add(row)
            row.rpm, row.tpm, row.concurrency = (wanted[kind] for kind in KINDS)
            return limit_of(row)

    def all(self) -> list[Limit]:
        """All limits, oldest first."""
        with self._database.read() as session:
            return [limit_of(row) for row in session.scalars(select(LimitRecord).order_by(LimitRecord.id))]

    def remove(self, id: str) -> None:
        with self._database.write() as session:
            row = session.get(LimitRecord, id)
            if row is None:
                raise NotFound(f"There is no limit {id!r}; `tollhouse limits list` shows them.", param="id")
            session.delete(row)
            announce(session)


def limit_of(row: LimitRecord) -> Limit:
    """The row as a value."""
    return Limit(row.id, (row.scope_kind, row.scope_id), row.rpm, row.tpm, row.concurrency)


def _of(scope: Scope) -> Select[LimitRecord]:
    return select(LimitRecord).where(LimitRecord.scope_kind == scope[0], LimitRecord.scope_id == scope[1])


def _check(changes: Mapping[str, int | None]) -> None:
    for kind, most in changes.items():
        if kind not in KINDS:
            raise InvalidField(f"{kind}: it must be one of {', '.join(KINDS)}.", param=kind)
        if most is not None and not 1 <= most <= MOST:
            raise InvalidField(f"{kind}: it must be a whole number from 1 to {MOST}, or nothing.", param=kind)
