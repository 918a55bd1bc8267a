"""What is to be done for batches beside their lines: which are due, whose they are, how they begin and end."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from tollhouse import logs
from tollhouse.domain.errors import TollhouseError, Unauthenticated
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ports import Blobs, OpenBlob
from tollhouse.domain.principal import Principal
from tollhouse.services.batches.batches import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    EXPIRED,
    FAILED,
    IN_PROGRESS,
    VALIDATING,
    here,
)
from tollhouse.services.batches.call import Answer, BatchCall, Later, Open
from tollhouse.services.batches.lines import Line
from tollhouse.services.batches.output import BatchOutput
from tollhouse.services.batches.validation import BatchValidation
from tollhouse.services.keys.authentication import Authentication
from tollhouse.store.database import Database
from tollhouse.store.leases import Leases
from tollhouse.store.records import BatchRecord

SOON = timedelta(seconds=3)
"""A batch that waits no longer than this is waited for; for others the scheduler wakes a worker."""
TASK_SECONDS = 1.0
"""How often it is looked whether a key may still be used."""
LEASE_SECONDS = 30.0
"""How long one process has the beginning or the end of a batch to itself. Where it takes longer, two do the same, and
the database decides who did it."""


@dataclass(frozen=True, slots=True)
class Due:
    """A batch that is to be worked on; `calls` says whether its lines may be called now."""

    id: str
    team_id: str
    key_id: str
    endpoint: str
    input_file_id: str
    tags: tuple[str, ...]
    calls: bool
    ending: str | None
    """How it may end, as far as can be seen without looking at its lines."""
    validates: bool
    trace: str | None = None


class Task:
    """The lines of one batch, for the key that asked for them. Threads share it."""

    def __init__(self, principal: Principal, blob: OpenBlob, call: BatchCall, tags: tuple[str, ...]) -> None:
        self._principal = principal
        self._blob = blob
        self._call = call
        self._tags = tags

    def make(self, line: Line) -> Answer | Later:
        """One call."""
        return self._call.make(self._principal, self._blob.read(line.start, line.size), self._tags)

    def given_up(self, reason: str) -> Answer:
        """The end of a line that is not called again."""
        return self._call.told(TollhouseError(reason), new_id("req"))


class BatchTasks:
    """Of one run in one process: close it."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        authentication: Authentication,
        validation: BatchValidation,
        output: BatchOutput,
        *,
        owner: str,
        open: Callable[[str], Open],
    ) -> None:
        """`open` is where calls of an endpoint go."""
        self._database = database
        self._leases = Leases(database)
        self._blobs = blobs
        self._authentication = authentication
        self._validation = validation
        self._output = output
        self._owner = owner
        self._open = open
        self._tasks: dict[str, tuple[Task, float]] = {}
        self._opened: dict[str, OpenBlob] = {}
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="batch-aside")
        """Validation and files take long: lines go on meanwhile."""
        self._under_way: dict[str, Future[None]] = {}
        self._due: Sequence[Due] = ()
        self._stopped = threading.Event()
        self.changed = threading.Event()
        """Set when a batch has begun or ended here: it is worth a look what is due."""

    @property
    def busy(self) -> bool:
        """Whether a batch begins or ends here just now."""
        return any(not future.done() for future in self._under_way.values())

    def due(self) -> Sequence[Due]:
        """Oldest first. Raises what the database raises."""
        row = BatchRecord
        with self._database.read() as session:
            now = self._database.now(session)
            rows = session.scalars(select(row).where(row.is_open, here()).order_by(row.id)).all()
        due = []
        for one in rows:
            pause = one.paused_until - now if one.paused_until else timedelta(0)
            ending = _ending(one, expired=now >= one.expires_at)
            if pause > SOON and ending is None:
                continue
            calls = one.status == IN_PROGRESS and ending in (None, COMPLETED) and pause <= timedelta(0)
            due.append(
                Due(
                    one.id,
                    one.team_id,
                    one.key_id,
                    one.endpoint,
                    one.input_file_id,
                    tuple(one.tags),
                    calls,
                    ending,
                    one.status == VALIDATING,
                    one.trace,
                )
            )
        self._due = due
        return due

    def begin(self, until: float, busy: frozenset[str]) -> None:
        """Begin or end those that are to, beside the run; not the end of those that are `busy` here."""
        for one in self._due:
            known = self._under_way.get(one.id)
            if self._stopped.is_set() or (known is not None and not known.done()):
                continue
            if one.validates:
                self._put_aside(one.id, lambda id=one.id: self._validate(id, until))  # type: ignore[misc]
            elif one.ending and one.id not in busy:
                self._put_aside(one.id, lambda one=one: self._end(one.id, one.ending or ""))  # type: ignore[misc]

    def task(self, batch: Due) -> Task | None:
        """How lines of this batch are called; None where its key may not be used any more, which ends the batch."""
        known, good_until = self._tasks.get(batch.id, (None, 0.0))
        if known is not None and time.monotonic() < good_until:
            return known
        try:
            owner = self._authentication.owner(batch.key_id, batch.team_id)
        except Unauthenticated as error:
            told = {"code": error.code, "message": error.message, "line": None, "param": None}
            if self._output.begin(batch.id, FAILED, told):
                logs.event("batch_stopped", level=logs.WARNING, batch=batch.id, reason=error.code)
            return None
        if batch.id not in self._opened:
            self._opened[batch.id] = self._blobs.open(batch.input_file_id)
        call = BatchCall(batch.endpoint, self._open(batch.endpoint), batch.trace)
        principal = replace(owner, priority="batch")  # somebody waits for other calls
        task = Task(principal, self._opened[batch.id], call, batch.tags)
        self._tasks[batch.id] = task, time.monotonic() + TASK_SECONDS
        return task

    def pause(self, batch_id: str, seconds: float, reason: str) -> None:
        """No process calls its lines for so long. `reason` is shown to whoever looks at the batch."""
        row = BatchRecord
        with self._database.write() as session:
            until = self._database.now(session) + timedelta(seconds=seconds)
            session.execute(
                update(row).where(row.id == batch_id).values(paused_until=until, paused_for=reason[:500] or None)
            )

    def close(self) -> None:
        """Wait for what was begun."""
        self._stopped.set()
        self._aside.shutdown()
        for blob in self._opened.values():
            blob.close()

    def _put_aside(self, batch_id: str, work: Callable[[], bool]) -> None:
        if self._leases.take(_lease(batch_id), self._owner, LEASE_SECONDS):
            self._under_way[batch_id] = self._aside.submit(self._run, batch_id, work)

    def _run(self, batch_id: str, work: Callable[[], bool]) -> None:
        try:
            if work():
                self.changed.set()
            self._leases.release(_lease(batch_id), self._owner)
        except (SQLAlchemyError, TollhouseError) as error:  # it is tried again when its lease is over
            logs.event("batch_waits", level=logs.WARNING, batch=batch_id, error=error)
        except Exception as error:  # noqa: BLE001 - whatever it is, other batches go on
            logs.event("defect", level=logs.ERROR, batch=batch_id, error=error)

    def _validate(self, batch_id: str, until: float) -> bool:
        if whole := self._validation.run(batch_id, until):
            logs.event("batch_validated", batch=batch_id)
        return whole

    def _end(self, batch_id: str, ending: str) -> bool:
        if begun := self._output.begin(batch_id, ending):
            self._output.end(batch_id)
            logs.event("batch_ended", batch=batch_id)
        return begun


def _ending(row: BatchRecord, *, expired: bool) -> str | None:
    if row.ending or row.ended_at:
        return row.ending or row.status
    if row.status == CANCELLING:
        return CANCELLED
    if row.status == IN_PROGRESS and row.completed + row.failed >= row.total:
        return COMPLETED
    return EXPIRED if expired and row.status == IN_PROGRESS else None


def _lease(batch_id: str) -> str:
    return f"run:{batch_id}"
