"""What is written down of calls beside the ledger: what was asked and answered, where a team keeps that, and what the
callers of failed calls were told.

None of it stalls a call: what a process has not written yet waits in a queue of so many bytes; what finds no room there
is dropped and counted, and so is what the database does not take. The ledger has a writer and a spool of its own.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from tollhouse import logs, metrics
from tollhouse.domain.errors import TollhouseError
from tollhouse.domain.ports import Outside, at_once
from tollhouse.logs.masking import mask
from tollhouse.store.database import Database
from tollhouse.store.records import FailedRequestRecord, PayloadRecord
from tollhouse.store.sealed_boxes import SealedBoxes
from tollhouse.wire import json_text
from tollhouse.wire.spoken import spoken

AT_ONCE, AT_ONCE_BYTES = 200, 1 << 20
"""Notes that one transaction writes, and of how many bytes: it keeps others from writing for some ten milliseconds."""
PAUSE_SECONDS = 0.1
"""Between two transactions: a flood of refusals is written no faster than this, and the rest of it is dropped."""
STOP_SECONDS = 5.0
LONGEST_MESSAGE = 1000
NOTE_BYTES = 500
"""What a note takes in memory beside its texts."""
_SECRET_FIELDS = frozenset({"authorization", "authorization_token", "headers"})
"""Of the tools and servers that a call names: what the provider is to show to them."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A call that has ended. `request` and `reply` are None where they were too long to be kept, or are no text."""

    request_id: str
    team_id: str
    format: str
    request: bytes | None
    request_bytes: int
    reply: bytes | None
    reply_bytes: int
    streamed: bool
    broken: bool

    @property
    def size(self) -> int:
        return NOTE_BYTES + len(self.request or b"") + len(self.reply or b"")

    def document(self) -> bytes:
        """What is kept, with all that looks like a secret masked."""
        answer: Any = None
        if self.reply is not None:
            answer = spoken(self.reply) if self.streamed else json_text.read_leniently(self.reply)
        return mask(
            json_text.write(
                {
                    "format": self.format,
                    "request": None if self.request is None else _redacted(json_text.read_leniently(self.request)),
                    "request_bytes": self.request_bytes,
                    "answer": answer,
                    "answer_bytes": self.reply_bytes,
                    "streamed": self.streamed,
                    "broken": self.broken,
                }
            )
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """What a caller was told."""

    request_id: str
    team_id: str
    key_id: str
    status: int
    code: str
    message: str

    @property
    def size(self) -> int:
        return NOTE_BYTES + len(self.message)


Note = Payload | Failure


class RequestNotes:
    """`stop` writes what waits, for a few seconds."""

    def __init__(
        self,
        database: Database,
        boxes: SealedBoxes,
        *,
        most_bytes: int,
        tells_failures: bool = True,
        outside: Outside = at_once,
    ) -> None:
        """`outside` is where notes are sealed, which takes the processor for long."""
        self._database = database
        self._boxes = boxes
        self._most = most_bytes
        self._outside = outside
        self._tells_failures = tells_failures
        self._waiting: deque[Note] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def put(self, note: Note) -> None:
        """Returns at once, whatever becomes of it."""
        with self._lock:
            if self._stopped or self._bytes + note.size > self._most:
                _count(note, "dropped")
                return
            self._waiting.append(note)
            self._bytes += note.size
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="request notes", daemon=True)
                self._thread.start()
        self._some.set()

    def failed(self, request_id: str, team_id: str, key_id: str, error: TollhouseError) -> None:
        """Note what the caller is told. Returns at once."""
        if not self._tells_failures:
            return
        message = mask(error.message.encode(errors="replace")).decode(errors="replace")[:LONGEST_MESSAGE]
        self.put(Failure(request_id, team_id, key_id, error.status, error.code, message.replace("\0", "")))

    @property
    def unwritten(self) -> int:
        """How many notes wait, or are being written."""
        with self._lock:
            return len(self._waiting)

    def stop(self) -> None:
        """Write what waits. Idempotent."""
        with self._lock:
            self._stopped, thread = True, self._thread
        self._some.set()
        if thread is not None:
            thread.join(STOP_SECONDS)

    def _work(self) -> None:
        while True:
            if not self._waiting:
                if self._stopped:
                    return
                self._some.wait()
                self._some.clear()
                continue
            with self._lock:
                batch = self._next()
            self._write(batch)
            with self._lock:
                for note in batch:
                    self._waiting.popleft()
                    self._bytes -= note.size
            if not self._stopped:
                time.sleep(PAUSE_SECONDS)

    def _next(self) -> list[Note]:
        """What is written together: one at least."""
        room, batch = AT_ONCE_BYTES, list[Note]()
        for note in islice(self._waiting, AT_ONCE):
            room -= note.size
            if room < 0 and batch:
                break
            batch.append(note)
        return batch

    def _write(self, batch: list[Note]) -> None:
        try:
            sealed = self._outside(lambda: [self._seal(note) for note in batch])
            notes = list(zip(batch, sealed, strict=True))
            # Committed where that holds up nobody: it waits for the disk.
            self._database.put(lambda session: self._put(session, notes))
            outcome = "kept"
        except Exception as error:  # noqa: BLE001 - whatever it is, later notes are written
            logs.event("request_notes_dropped", level=logs.ERROR, notes=len(batch), error=type(error).__name__)
            outcome = "dropped"
        for note in batch:
            _count(note, outcome)

    def _put(self, session: Session, notes: Sequence[tuple[Note, tuple[str, bytes]]]) -> None:
        now = self._database.now(session)
        payloads = {one.request_id: _payload(one, box, now) for one, box in notes if isinstance(one, Payload)}
        failures = {one.request_id: _failure(one, now) for one, _ in notes if isinstance(one, Failure)}
        _replace(session, PayloadRecord, payloads)
        _replace(session, FailedRequestRecord, failures)

    def _seal(self, note: Note) -> tuple[str, bytes]:
        return ("", b"") if isinstance(note, Failure) else self._boxes.seal(note.request_id, note.document())


def _replace(
    session: Session, record: type[PayloadRecord | FailedRequestRecord], rows: Mapping[str, Mapping[str, Any]]
) -> None:
    """By request, in the place of what was noted of it before: the last try is what its caller saw. Two statements
    for all of them: with some for each, fifty refusals took the loop of a process for 18 ms, and take 2.
    """
    if rows:
        session.execute(delete(record).where(record.request_id.in_(rows)))
        session.execute(insert(record), [{"request_id": id, **row} for id, row in rows.items()])


def _payload(note: Payload, sealed: tuple[str, bytes], now: datetime) -> dict[str, Any]:
    return {"team_id": note.team_id, "kept_at": now, "data_key": sealed[0], "content": sealed[1]}


def _failure(note: Failure, now: datetime) -> dict[str, Any]:
    return {
        "team_id": note.team_id,
        "key_id": note.key_id,
        "failed_at": now,
        "status": note.status,
        "code": note.code,
        "message": note.message,
    }


def _count(note: Note, outcome: str) -> None:
    metrics.REQUEST_NOTES.labels("payload" if isinstance(note, Payload) else "failure", outcome).inc()


def _redacted(request: Any) -> Any:
    if not isinstance(request, dict):
        return request
    return {
        name: _without_secrets(value) if name in ("tools", "mcp_servers") else value for name, value in request.items()
    }


def _without_secrets(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_secrets(one) for one in value]
    if isinstance(value, Mapping):
        # Not what is below: the schema of a tool may have properties of any name.
        return {name: "***" if name in _SECRET_FIELDS and one else one for name, one in value.items()}
    return value
