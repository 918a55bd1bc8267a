"""What a schedule can begin: each kind is one class with a line in `KINDS` of the wiring.

A kind checks its work when a schedule is made, and begins it when that is due. What it begins is a row that outlives
every process; `also` is done in the transaction that makes the row, so that it is made once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import Actor
from tollhouse.domain.call import Call
from tollhouse.domain.errors import InvalidField, TollhouseError
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.principal import Principal
from tollhouse.domain.routes import Catalogue
from tollhouse.services.background.responses import BackgroundResponses
from tollhouse.services.batches.batches import Batches
from tollhouse.services.batches.files import find_file, unknown_file
from tollhouse.services.reports.scheduled_reports import ScheduledReports
from tollhouse.services.responses.items import size_of
from tollhouse.services.routing.routing import candidates, route_of
from tollhouse.services.routing.vitals import Watch
from tollhouse.store.database import Database
from tollhouse.store.records import FileRecord
from tollhouse.wire import FORMATS

Also = Callable[[Session, str], None]
RESPONSES = "/v1/responses"
FORMAT = "responses"
_OURS = ("background", "stream")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be begun, and as whom; days are those of the `timezone`."""

    principal: Principal
    work: Mapping[str, Any]
    timezone: str


class ScheduleKind(Protocol):
    """One kind of work."""

    name: str
    as_person: bool
    """Whether it takes the rights of a person, which a key does not have."""

    def check(self, plan: Plan, by: Actor) -> None:
        """Raise TollhouseError, whose `param` is a field of the work, where this could not be begun now, or not be
        planned by them.
        """

    def file_of(self, work: Mapping[str, Any]) -> str | None:
        """The file that it reads, which is kept as long as its schedule."""

    def begin(self, plan: Plan, due_at: datetime, also: Also) -> None:
        """Make the row, and `also` with it, given its id. Raises TollhouseError."""


class PromptKind:
    """A call of a model: the body of a response, which is made in the background and stored."""

    name = "prompt"
    as_person = False

    def __init__(self, catalogue: Callable[[], Catalogue], background: Callable[[], BackgroundResponses]) -> None:
        self._catalogue = catalogue
        self._background = background

    def check(self, plan: Plan, by: Actor) -> None:
        work = plan.work
        for field in _OURS:
            if field in work:
                raise InvalidField(f"{field}: what is scheduled is made in the background: leave it out.", param=field)
        if work.get("store") is False:
            raise InvalidField("store: what is scheduled is stored: leave it out.", param="store")
        call = _call(work)
        route = route_of(self._catalogue(), plan.principal, call.facts.model)
        candidates(route, plan.principal, call, Watch())

    def file_of(self, work: Mapping[str, Any]) -> str | None:
        return None

    def begin(self, plan: Plan, due_at: datetime, also: Also) -> None:
        self._background().queue(plan.principal, _call({**plan.work, "background": True}), also)


class BatchKind:
    """A batch of a file that was uploaded, submitted again each time."""

    name = "batch"
    as_person = False

    def __init__(self, database: Database, batches: Batches) -> None:
        self._database = database
        self._batches = batches

    def check(self, plan: Plan, by: Actor) -> None:
        self._batches.check(plan.principal, plan.work)
        file_id = plan.work["input_file_id"]

        def question(session: Session) -> FileRecord | None:
            return find_file(session, self._database.now(session), plan.principal.team_id, file_id)

        found = self._database.ask(question) if file_id.isprintable() else None
        if found is None:
            raise unknown_file(file_id, "input_file_id")

    def file_of(self, work: Mapping[str, Any]) -> str | None:
        return str(work["input_file_id"])

    def begin(self, plan: Plan, due_at: datetime, also: Also) -> None:
        self._batches.create(plan.principal, plan.work, also=also)


class ReportKind:
    """A report, of the time that was due, sent to people here or to an address."""

    name = "report"
    as_person = True

    def __init__(self, reports: ScheduledReports) -> None:
        self._reports = reports

    def check(self, plan: Plan, by: Actor) -> None:
        self._reports.check(plan.principal, plan.work, plan.timezone, by)

    def file_of(self, work: Mapping[str, Any]) -> str | None:
        return None

    def begin(self, plan: Plan, due_at: datetime, also: Also) -> None:
        self._reports.queue(plan.principal, plan.work, plan.timezone, due_at, also)


def _call(work: Mapping[str, Any]) -> Call:
    body = dict(work)
    return Call(new_id("req"), FORMAT, body, FORMATS[FORMAT].read(body, size_of(body)))


def told_of_work(error: TollhouseError) -> TollhouseError:
    """The same, of the field `work` of a schedule."""
    error.param = f"work.{error.param}" if error.param else "work"
    return error


def without_secrets(kind: str, work: Mapping[str, Any]) -> Mapping[str, Any]:
    """Work for everybody's eyes: of a receiver's address no more than where it is, for the rest may be a secret."""
    if kind != ReportKind.name or not work.get("url"):
        return work
    parts = urlsplit(work["url"])
    return {**work, "url": f"{parts.scheme}://{parts.netloc}/…"}


def noted_of(kind: str, work: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """What the audit log, which forgets nobody, has of work, and which fields it changed that cannot be told there."""
    if kind != ReportKind.name:
        return work
    told = {**without_secrets(kind, work), "emails": len(work.get("emails") or ())}
    hidden = [] if before is None else [name for name in ("emails", "url") if work.get(name) != before.get(name)]
    return {**told, "changed": hidden} if hidden else told


def keep_file(session: Session, file_id: str | None) -> None:
    """A file that a schedule reads has no end of its own any more."""
    if file_id is not None and (row := session.scalar(select(FileRecord).where(FileRecord.id == file_id))):
        row.expires_at = None
