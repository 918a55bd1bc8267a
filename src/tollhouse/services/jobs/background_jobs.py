"""What runs or ran in the background: one list of all kinds, newest first. Each has a source in `sources.py`."""

import heapq
from collections.abc import Iterable, Sequence
from itertools import islice

from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import Conflict, NotFound
from tollhouse.domain.page import Page, page_of
from tollhouse.domain.rights import Right
from tollhouse.services.audit import note
from tollhouse.services.jobs.sources import Job, JobSource, Wanted, suffix_of
from tollhouse.services.people.teams import no_team
from tollhouse.store.database import Database


class BackgroundJobs:
    """Rights are those of the team that a job belongs to."""

    def __init__(self, database: Database, sources: Sequence[JobSource]) -> None:
        self._database = database
        self._sources = sources

    def page(
        self,
        limit: int,
        after: str | None = None,
        *,
        team_id: str | None = None,
        kind: str | None = None,
        state: str | None = None,
        by: Actor = SYSTEM,
    ) -> Page[Job]:
        """Jobs of what they see, newest first. `state` is "open" or "ended"."""
        if team_id is not None:
            by.require_in(team_id, Right.VIEW_JOBS, no_team(team_id))
            teams: frozenset[str] | None = frozenset({team_id})
        else:
            teams = by.teams_with(Right.VIEW_JOBS)
            if teams is not None and not teams:
                by.require(Right.VIEW_JOBS)
        wanted = Wanted(teams, None if state is None else state == "open", after and suffix_of(after), limit + 1)
        with self._database.read() as session:
            found = [source.page(session, wanted) for source in self._sources if kind in (None, source.kind)]
        return page_of(_newest(found, limit + 1), limit, lambda job: job.id)

    def get(self, id: str, *, by: Actor = SYSTEM) -> Job:
        """Raises NotFound, Forbidden."""
        with self._database.read() as session:
            return self._found(session, id, by, Right.VIEW_JOBS)[1]

    def cancel(self, id: str, *, by: Actor = SYSTEM) -> Job:
        """Nothing more of it is begun. Raises NotFound, Forbidden, Conflict where it has ended."""
        with self._database.write() as session:
            source, job = self._found(session, id, by, Right.CHANGE_JOBS)
            if not job.may_cancel or not source.cancel(session, job):
                raise Conflict(f"The job {id} is {job.status}: there is nothing left to cancel.")
            now = self._database.now(session)
            note(session, by, "jobs.cancel", id, at=now, team_id=job.team_id)
            session.flush()
            session.expire_all()  # what was changed past the session is read anew
            return self._found(session, id, by, Right.VIEW_JOBS)[1]

    def _found(self, session: Session, id: str, by: Actor, right: Right) -> tuple[JobSource, Job]:
        missing = NotFound(f"There is no job {id[:60]!r}; `tollhouse jobs list` shows them.", param="id")
        for source in self._sources:
            if id.startswith(f"{source.prefix}_") and (job := source.one(session, id)) is not None:
                by.require_in(job.team_id, right, missing)
                return source, job
        raise missing


def _newest(found: Iterable[Sequence[Job]], most: int) -> list[Job]:
    merged = heapq.merge(*found, key=lambda job: suffix_of(job.id), reverse=True)
    return list(islice(merged, most))
