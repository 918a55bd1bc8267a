"""Anthropic's Message Batches, over the same engine: their requests become a file of lines, their results are read off
the files that come of it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tollhouse.domain.errors import Conflict, Forbidden, InvalidField, NotFound, TollhouseError
from tollhouse.domain.ports import Outside
from tollhouse.domain.principal import Principal
from tollhouse.domain.routes import Catalogue
from tollhouse.services.batches.batches import CANCELLED, CANCELLING, EXPIRED, Batches, find_batch
from tollhouse.services.batches.files import BATCH, Content, Files, NewFile
from tollhouse.services.batches.handover.choice import HandoverChoice
from tollhouse.services.batches.line_check import LineCheck
from tollhouse.services.pages import IdPage
from tollhouse.store.database import Database
from tollhouse.store.records import BatchRecord
from tollhouse.wire import json_text
from tollhouse.wire.message_batch import asked_line, result_line, unmade_line
from tollhouse.wire.schema import RequestSchema

PREFIX = "msgbatch"
ENDPOINT = "/v1/messages"
WINDOW = "24h"
KEPT_FOR = timedelta(days=29)
"""How long Anthropic keeps results."""

_SCHEMA = RequestSchema("message_batch")


class MessageBatches:
    """`outside` reads what may be many requests."""

    def __init__(
        self,
        database: Database,
        batches: Batches,
        files: Files,
        catalogue: Callable[[], Catalogue],
        choice: HandoverChoice,
        outside: Outside,
    ) -> None:
        self._database = database
        self._batches = batches
        self._files = files
        self._catalogue = catalogue
        self._choice = choice
        self._outside = outside

    def create(
        self, principal: Principal, text: bytes, tags: tuple[str, ...] = (), trace: str | None = None
    ) -> dict[str, Any]:
        """A batch whose requests are checked already. Raises BadRequest, NotFound, Forbidden, OutOfSpace."""
        if not principal.may_call(ENDPOINT):
            raise Forbidden(f"This API key may not call {ENDPOINT}, which the requests of this batch do.", param="path")
        lines, asked_for = self._outside(lambda: self._lines(principal, text))
        with closing(self._files.receive()) as incoming:
            for line in lines:
                incoming.write(line + b"\n")
            file = self._files.add(principal, incoming, NewFile("message_batch.jsonl", BATCH, KEPT_FOR))
        seconds = int(KEPT_FOR.total_seconds())
        asked = {"input_file_id": file["id"], "endpoint": ENDPOINT, "completion_window": WINDOW}
        asked["provider_batch"] = asked_for
        return _shown(self._batches.add(principal, asked, tags, seconds, prefix=PREFIX, asked=len(lines), trace=trace))

    def retrieve(self, principal: Principal, id: str) -> dict[str, Any]:
        """Raises NotFound."""
        return _shown(self._found(principal, id))

    def page(self, principal: Principal, page: IdPage) -> dict[str, Any]:
        """The newest first. Raises InvalidField."""

        def question(session: Session) -> tuple[Sequence[str], bool, dict[str, BatchRecord]]:
            row = BatchRecord
            mine = select(row.id).where(row.team_id == principal.team_id, row.id.startswith(f"{PREFIX}_"))
            ids, more = page.of(list(session.scalars(mine.order_by(row.id.desc()))))
            return ids, more, {one.id: one for one in session.scalars(select(row).where(row.id.in_(ids)))}

        ids, more, rows = self._database.ask(question)
        ends = {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}
        return {"data": [_shown(rows[id]) for id in ids], "has_more": more, **ends}

    def cancel(self, principal: Principal, id: str) -> dict[str, Any]:
        """No more of its requests are made. One that has ended stays as it is. Raises NotFound."""
        self._found(principal, id)
        with suppress(Conflict):
            self._batches.cancel(principal, id)
        return self.retrieve(principal, id)

    def delete(self, principal: Principal, id: str) -> dict[str, Any]:
        """Forget it, and its results. Raises NotFound, Conflict while it runs."""
        row = self._found(principal, id)
        if row.is_open:
            raise Conflict(f"The batch {id} has not ended: cancel it first.")

        def change(session: Session) -> None:
            session.execute(delete(BatchRecord).where(BatchRecord.id == id))

        self._database.put(change)
        for file_id in (row.input_file_id, row.output_file_id, row.error_file_id):
            if file_id is not None:
                self._forget(principal, file_id)
        return {"id": id, "type": "message_batch_deleted"}

    def results(self, principal: Principal, id: str) -> "Results":
        """A line for each request. Close it. Raises NotFound, Conflict while it runs."""
        row = self._found(principal, id)
        if row.ended_at is None:
            raise Conflict(f"The batch {id} has not ended: there are no results yet.")
        if row.in_progress_at is None:  # it ended before its lines were known
            kind = _kind_of_unmade(row)
            return Results([self._files.content(principal, row.input_file_id)], lambda line: unmade_line(line, kind))
        ids = [one for one in (row.output_file_id, row.error_file_id) if one is not None]
        return Results([self._files.content(principal, one) for one in ids], result_line)

    def _forget(self, principal: Principal, file_id: str) -> None:
        with suppress(NotFound):
            self._files.delete(principal, file_id)

    def _found(self, principal: Principal, id: str) -> BatchRecord:
        row = None
        if id.startswith(f"{PREFIX}_") and id.isprintable():
            row = self._database.ask(lambda session: find_batch(session, principal, id))
        if row is None:
            raise NotFound(f"There is no message batch {id[:100]!r}.", param="message_batch_id")
        return row

    def _lines(self, principal: Principal, text: bytes) -> tuple[list[bytes], str | None]:
        body = json_text.read_object(text)
        _SCHEMA.check(body)
        check = LineCheck(ENDPOINT, principal, self._catalogue())
        lines: list[bytes] = []
        seen: set[str] = set()
        for number, request in enumerate(body["requests"]):
            where = f"requests[{number}]"
            if request["custom_id"] in seen:
                raise InvalidField(f"{where}.custom_id: another request has it.", param=f"{where}.custom_id")
            seen.add(request["custom_id"])
            line = asked_line(request, ENDPOINT)
            try:
                check.row("", number, 0, line)
            except TollhouseError as error:
                _rename(error, f"{where}.params")
                raise
            lines.append(line)
        asked = body.get("provider_batch")
        if self._choice.mode(asked) == "always":
            catalogue = self._catalogue()
            self._choice.target(catalogue, principal, check.model, endpoint=ENDPOINT, window=WINDOW, asked="always")
        return lines, asked


def _rename(error: TollhouseError, where: str) -> None:
    """Of a line, to what it is in a request's params."""
    field, said = (error.param or "").removeprefix("body").removeprefix("."), error.message.removeprefix("body.")
    error.param = f"{where}.{field}" if field else where
    error.message = f"{where}.{said}" if field and said.startswith(f"{field}:") else f"{error.param}: {said}"


class Results:
    """Lines of files on their way, each as it is told. Close it."""

    def __init__(self, contents: Sequence[Content], told: Callable[[bytes], bytes]) -> None:
        self._contents = contents
        self._lines = self._all(told)

    def __iter__(self) -> Iterator[bytes]:
        return self._lines

    def close(self) -> None:
        for content in self._contents:
            content.close()

    def _all(self, told: Callable[[bytes], bytes]) -> Iterator[bytes]:
        for content in self._contents:
            rest = b""
            for piece in content:
                *lines, rest = (rest + piece).split(b"\n")
                if lines:
                    yield b"".join(told(line) + b"\n" for line in lines)


def _kind_of_unmade(row: BatchRecord) -> str:
    return {CANCELLED: "canceled", EXPIRED: "expired"}.get(row.status, "errored")


def _shown(row: BatchRecord) -> dict[str, Any]:
    """As Anthropic writes it, without where its results are."""
    ended = row.ended_at is not None
    return {
        "id": row.id,
        "type": "message_batch",
        "processing_status": "ended" if ended else "canceling" if row.status == CANCELLING else "in_progress",
        "request_counts": _counts(row),
        "created_at": _moment(row.created_at),
        "expires_at": _moment(row.expires_at),
        "ended_at": _moment(row.ended_at),
        "cancel_initiated_at": _moment(row.cancelling_at),
        "archived_at": None,
        "results_url": None,
    }


def _counts(row: BatchRecord) -> Mapping[str, int]:
    errored = row.failed - row.not_called
    left = (row.asked or row.total) - row.completed - errored
    counts = {"processing": 0, "succeeded": row.completed, "errored": errored, "canceled": 0, "expired": 0}
    counts["processing" if row.ended_at is None else _kind_of_unmade(row)] += left
    return counts


def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
