"""What a schedule can begin: each kind is one class with a line in `KINDS` of the wiring.

A kind checks its work when a schedule is made, and begins it when that is due. What it begins is a row that outlives
every process; `also` is done in the transaction that makes the row, so that it is made once.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.call import Call
from tollhouse.domain.errors import InvalidField, TollhouseError
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.principal import Principal
from tollhouse.domain.routes import Catalogue
from tollhouse.services.background.responses import BackgroundResponses
from tollhouse.services.batches.batches import Batches
from tollhouse.services.batches.files import find_file, unknown_file
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


class ScheduleKind(Protocol):
    """One kind of work."""

    name: str

    def check(self, principal: Principal, work: Mapping[str, Any]) -> None:
        """Raise TollhouseError, whose `param` begins with `work.`, where this could not be begun now."""

    def file_of(self, work: Mapping[str, Any]) -> str | None:
        """The file that it reads, which is kept as long as its schedule."""

    def begin(self, principal: Principal, work: Mapping[str, Any], also: Also) -> None:
        """Make the row, and `also` with it, given its id. Raises TollhouseError."""


class PromptKind:
    """A call of a model: the body of a response, which is made in the background and stored."""

    name = "prompt"

    def __init__(self, catalogue: Callable[[], Catalogue], background: Callable[[], BackgroundResponses]) -> None:
        self._catalogue = catalogue
        self._background = background

    def check(self, principal: Principal, work: Mapping[str, Any]) -> None:
        for field in _OURS:
            if field in work:
                raise InvalidField(f"{field}: what is scheduled is made in the background: leave it out.", param=field)
        if work.get("store") is False:
            raise InvalidField("store: what is scheduled is stored: leave it out.", param="store")
        call = _call(work)
        route = route_of(self._catalogue(), principal, call.facts.model)
        candidates(route, principal, call, Watch())

    def file_of(self, work: Mapping[str, Any]) -> str | None:
        return None

    def begin(self, principal: Principal, work: Mapping[str, Any], also: Also) -> None:
        self._background().queue(principal, _call({**work, "background": True}), also)


class BatchKind:
    """A batch of a file that was uploaded, submitted again each time."""

    name = "batch"

    def __init__(self, database: Database, batches: Batches) -> None:
        self._database = database
        self._batches = batches

    def check(self, principal: Principal, work: Mapping[str, Any]) -> None:
        self._batches.check(principal, work)
        file_id = work["input_file_id"]

        def question(session: Session) -> FileRecord | None:
            return find_file(session, self._database.now(session), principal.team_id, file_id)

        found = self._database.ask(question) if file_id.isprintable() else None
        if found is None:
            raise unknown_file(file_id, "input_file_id")

    def file_of(self, work: Mapping[str, Any]) -> str | None:
        return str(work["input_file_id"])

    def begin(self, principal: Principal, work: Mapping[str, Any], also: Also) -> None:
        self._batches.create(principal, work, also=also)


def _call(work: Mapping[str, Any]) -> Call:
    body = dict(work)
    return Call(new_id("req"), FORMAT, body, FORMATS[FORMAT].read(body, size_of(body)))


def told_of_work(error: TollhouseError) -> TollhouseError:
    """The same, of the field `work` of a schedule."""
    error.param = f"work.{error.param}" if error.param else "work"
    return error


def keep_file(session: Session, file_id: str | None) -> None:
    """A file that a schedule reads has no end of its own any more."""
    if file_id is not None and (row := session.scalar(select(FileRecord).where(FileRecord.id == file_id))):
        row.expires_at = None
