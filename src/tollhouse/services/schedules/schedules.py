"""Schedules: work that is begun again and again, as a key or a person, under its budgets and limits."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import InvalidField, NotFound, TollhouseError, Unauthenticated
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.page import Page, page_of
from tollhouse.domain.rights import Right
from tollhouse.services.audit import note
from tollhouse.services.keys.authentication import Authentication
from tollhouse.services.people.teams import no_team
from tollhouse.services.schedules.kinds import Plan, ScheduleKind, keep_file, noted_of, told_of_work, without_secrets
from tollhouse.services.schedules.owner import owner_of, require_to_spend_as
from tollhouse.services.schedules.timetable import Timetable
from tollhouse.store.database import Database
from tollhouse.store.records import ScheduleRecord
from tollhouse.wire import json_text

MISSED = ("run", "skip")
CHANGEABLE = ("name", "cron", "timezone", "missed", "paused", "work")
OF_ALL = {"name", "paused"}
"""What everybody may change who may change schedules; the rest, and to let it go on again, is for who may spend as
its key.
"""
LONGEST_NAME = 200
LONGEST_NOTED = 4096
"""Bytes of work that the audit log quotes."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule as it can be shown. `next_at` is None while it is paused."""

    id: str
    name: str
    team_id: str
    key_id: str
    kind: str
    work: Mapping[str, Any]
    cron: str
    timezone: str
    missed: str
    paused: bool
    next_at: datetime | None
    created_at: datetime


class Schedules:
    """`kinds` are by their names."""

    def __init__(self, database: Database, authentication: Authentication, kinds: Mapping[str, ScheduleKind]) -> None:
        self._database = database
        self._authentication = authentication
        self._kinds = kinds

    def create(
        self,
        name: str,
        kind: str,
        work: Mapping[str, Any],
        cron: str,
        *,
        timezone: str = "UTC",
        missed: str = "run",
        paused: bool = False,
        key_id: str | None = None,
        user_id: str | None = None,
        team_id: str | None = None,
        by: Actor = SYSTEM,
    ) -> Schedule:
        """A schedule that begins work as the key `key_id`; without one, as the person who makes it, or for whom the
        shell does, in `team_id`.

        Raises InvalidField, Forbidden, NotFound, and what the kind says of the work.
        """
        timetable = Timetable(cron, timezone)
        _check(name, missed)
        if kind in self._kinds and self._kinds[kind].as_person and key_id is not None:
            raise InvalidField(f"key_id: a {kind} takes the rights of a person: leave it out.", param="key_id")
        with self._database.read() as session:
            owner, team = owner_of(session, by, key_id, team_id, user_id)
        self._check_work(kind, work, owner, team, timezone, by)
        row = ScheduleRecord(
            id=new_id("sch"),
            team_id=team,
            key_id=owner,
            name=name,
            kind=kind,
            work=dict(work),
            file_id=self._kinds[kind].file_of(work),
            cron=" ".join(cron.split()),
            timezone=timezone,
            missed=missed,
            paused=paused,
        )
        with self._database.write() as session:
            row.created_at = now = self._database.now(session)
            row.next_at = None if paused else timetable.after(now)
            session.add(row)
            keep_file(session, row.file_id)
            note(session, by, "schedules.create", row.id, at=now, team_id=team, after=_state(row))
        return _shown(row, by)

    def page(
        self, limit: int, after: str | None = None, *, team_id: str | None = None, by: Actor = SYSTEM
    ) -> Page[Schedule]:
        """Schedules of what they see, oldest first."""
        row = ScheduleRecord
        asked = select(row).order_by(row.id).limit(limit + 1)
        if after is not None:
            asked = asked.where(row.id > after)
        if team_id is not None:
            by.require_in(team_id, Right.VIEW_JOBS, no_team(team_id))
            asked = asked.where(row.team_id == team_id)
        elif (seen := by.teams_with(Right.VIEW_JOBS)) is not None:
            if not seen:
                by.require(Right.VIEW_JOBS)
            asked = asked.where(row.team_id.in_(seen))
        with self._database.read() as session:
            return page_of([_shown(one, by) for one in session.scalars(asked)], limit, lambda one: one.id)

    def get(self, id: str, *, by: Actor = SYSTEM) -> Schedule:
        with self._database.read() as session:
            return _shown(found_schedule(session, id, by, Right.VIEW_JOBS), by)

    def change(
        self,
        id: str,
        changes: Mapping[str, Any],
        *,
        by: Actor = SYSTEM,
        unless_changed: Callable[[Schedule], None] | None = None,
    ) -> Schedule:
        """Set what `changes` has of CHANGEABLE. Times that went by while it was paused were not missed."""
        with self._database.read() as session:
            row = found_schedule(session, id, by, Right.CHANGE_JOBS)
            if changes.keys() - OF_ALL or changes.get("paused") is False:
                require_to_spend_as(session, by, row.key_id, row.team_id)
            wanted = {field: getattr(row, field) for field in CHANGEABLE} | dict(changes)
        _check(wanted["name"], wanted["missed"])
        timetable = Timetable(wanted["cron"], wanted["timezone"])
        if "work" in changes:
            self._check_work(row.kind, wanted["work"], row.key_id, row.team_id, wanted["timezone"], by)
        with self._database.write() as session:
            row = found_schedule(session, id, by, Right.CHANGE_JOBS, lock=True)
            if unless_changed is not None:
                unless_changed(_shown(row, by))
            before, work, now = _state(row), row.work, self._database.now(session)
            for field in changes:
                setattr(row, field, wanted[field])
            row.cron = " ".join(row.cron.split())
            if "work" in changes:
                row.file_id = self._kinds[row.kind].file_of(row.work)
                keep_file(session, row.file_id)
            if changes.keys() & {"cron", "timezone", "paused"}:
                row.next_at = None if row.paused else timetable.after(now)
            after = _state(row, work)
            note(session, by, "schedules.change", id, at=now, team_id=row.team_id, before=before, after=after)
            return _shown(row, by)

    def remove(self, id: str, *, by: Actor = SYSTEM, unless_changed: Callable[[Schedule], None] | None = None) -> None:
        """What it has begun goes on; of its history nothing is left."""
        with self._database.write() as session:
            row = found_schedule(session, id, by, Right.CHANGE_JOBS, lock=True)
            if unless_changed is not None:
                unless_changed(_shown(row, by))
            now = self._database.now(session)
            note(session, by, "schedules.remove", id, at=now, team_id=row.team_id, before=_state(row))
            session.delete(row)

    def _check_work(
        self, kind: str, work: Mapping[str, Any], key_id: str, team_id: str, timezone: str, by: Actor
    ) -> None:
        if kind not in self._kinds:
            raise InvalidField(f"kind: it must be one of {', '.join(sorted(self._kinds))}.", param="kind")
        try:
            principal = self._authentication.owner(key_id, team_id)
        except Unauthenticated as error:
            raise InvalidField(f"key_id: {error.message}", param="key_id") from None
        try:
            self._kinds[kind].check(Plan(principal, work, timezone), by)
        except TollhouseError as error:
            raise told_of_work(error) from None


def found_schedule(session: Session, id: str, by: Actor, right: Right, *, lock: bool = False) -> ScheduleRecord:
    """The schedule of this id. What they do not see is not there."""
    missing = NotFound(f"There is no schedule {id[:60]!r}; `tollhouse schedules list` shows them.", param="id")
    row = session.get(ScheduleRecord, id, with_for_update=True if lock else None)
    if row is None:
        raise missing
    by.require_in(row.team_id, right, missing)
    return row


def _check(name: str, missed: str) -> None:
    if not name.strip() or len(name) > LONGEST_NAME:
        raise InvalidField(f"name: it must have 1 to {LONGEST_NAME} characters.", param="name")
    if missed not in MISSED:
        raise InvalidField(f"missed: it must be one of {', '.join(MISSED)}.", param="missed")


def _state(row: ScheduleRecord, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    work = noted_of(row.kind, row.work, before)
    text = json_text.write_sorted(work)
    if len(text) > LONGEST_NOTED:
        work = {"sha256": hashlib.sha256(text).hexdigest()}
    fields = {field: getattr(row, field) for field in CHANGEABLE}
    return {"kind": row.kind, "key_id": row.key_id, **fields, "work": work}


def _shown(row: ScheduleRecord, by: Actor) -> Schedule:
    sees_all = by.id == row.key_id or by.may(Right.VIEW_WEBHOOKS, row.team_id)
    return Schedule(
        row.id,
        row.name,
        row.team_id,
        row.key_id,
        row.kind,
        row.work if sees_all else without_secrets(row.kind, row.work),
        row.cron,
        row.timezone,
        row.missed,
        row.paused,
        row.next_at,
        row.created_at,
    )
