"""The end of a batch: its results become files, and its lines go."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import timedelta

from sqlalchemy import delete, func, select, update

from tollhouse.domain.identifiers import new_id
from tollhouse.domain.webhooks import Event
from tollhouse.services.batches.batches import CANCELLED, CANCELLING, COMPLETED, EXPIRED, FINALIZING, IN_PROGRESS
from tollhouse.services.batches.files import BATCH_OUTPUT, Files, Incoming, NewFile, insert_file
from tollhouse.services.batches.lines import DONE, RUNNING, WAITING
from tollhouse.services.outbox import NOBODY, Tells
from tollhouse.store.database import Database
from tollhouse.store.records import BatchLineRecord, BatchRecord, BatchResultRecord
from tollhouse.wire.batch import not_made

CHUNK_ROWS = 200
CHUNK_DELETED = 1000
_WHY = {
    EXPIRED: ("batch_expired", "The batch's window was over before this line was called."),
    CANCELLED: ("batch_cancelled", "The batch was cancelled before this line was called."),
}
_STOPPED = ("batch_failed", "The batch was stopped before this line was called: its errors say why.")


class BatchOutput:
    """May be begun by any number of processes at once and ended by one: whose files they are is decided in the
    transaction that ends the batch.
    """

    def __init__(self, database: Database, files: Files, outbox: Tells = NOBODY) -> None:
        self._database = database
        self._files = files
        self._outbox = outbox

    def begin(self, batch_id: str, ending: str, error: Mapping[str, object] | None = None) -> bool:
        """From here on no line is called, and what still comes of one changes nothing. False while a call of it is
        under way, or where there are lines to be called of a batch that is to be completed.
        """
        batch, line = BatchRecord, BatchLineRecord
        with self._database.write() as session:
            row = session.scalar(select(batch).where(batch.id == batch_id, batch.is_open).with_for_update())
            if row is not None and (row.ending or row.ended_at):
                return True
            if row is None or row.status not in (IN_PROGRESS, CANCELLING):
                return False
            now = self._database.now(session)
            of_batch = select(func.count()).select_from(line).where(line.batch_id == batch_id)
            if session.scalar(of_batch.where(line.state == RUNNING, line.lease_until >= now)):
                return False
            if ending == COMPLETED and session.scalar(of_batch.where(line.state != DONE)):
                return False
            session.execute(
                update(line)
                .where(line.batch_id == batch_id, line.state == RUNNING)
                .values(state=WAITING, attempt=line.attempt + 1, lease_until=None)
                .execution_options(synchronize_session=False)
            )
            row.ending, row.finalizing_at = ending, now
            row.errors = [dict(error)] if error else row.errors
            if row.status == IN_PROGRESS:
                row.status = FINALIZING
        return True

    def end(self, batch_id: str) -> None:
        """Write the files, and end the batch with them. Raises OutOfSpace."""
        with self._database.read() as session:
            batch = session.get(BatchRecord, batch_id)
        if batch is None or (batch.ending is None and batch.ended_at is None):
            return
        if batch.ended_at is None:
            with ExitStack() as stack:
                output = self._written(stack, self._results(batch_id, succeeded=True))
                errors = self._written(stack, self._failures(batch))
                self._finish(batch, output, errors)
        while self._delete_some(batch_id):
            pass

    def _written(self, stack: ExitStack, lines: Iterator[bytes]) -> Incoming | None:
        """A file of these lines; None where there are none."""
        first = next(lines, None)
        if first is None:
            return None
        incoming = stack.enter_context(closing(self._files.receive()))
        incoming.write(first + b"\n")
        for line in lines:
            incoming.write(line + b"\n")
        incoming.keep()
        return incoming

    def _results(self, batch_id: str, *, succeeded: bool) -> Iterator[bytes]:
        row = BatchResultRecord
        last = -1
        while True:
            with self._database.read() as session:
                chunk = session.execute(
                    select(row.number, row.line)
                    .where(row.batch_id == batch_id, row.number > last, row.succeeded.is_(succeeded))
                    .order_by(row.number)
                    .limit(CHUNK_ROWS)
                ).all()
            if not chunk:
                return
            for last, line in chunk:  # noqa: B007 - the next chunk goes on behind it
                yield line

    def _failures(self, batch: BatchRecord) -> Iterator[bytes]:
        """Those that failed, then those that were not called."""
        yield from self._results(batch.id, succeeded=False)
        if batch.in_progress_at is None:  # it was cancelled before it began
            return
        code, message = _WHY.get(batch.ending or "", _STOPPED)
        row = BatchLineRecord
        last = -1
        while True:
            with self._database.read() as session:
                chunk = session.execute(
                    select(row.number, row.custom_id)
                    .where(row.batch_id == batch.id, row.state != DONE, row.number > last)
                    .order_by(row.number)
                    .limit(CHUNK_ROWS)
                ).all()
            if not chunk:
                return
            for last, custom_id in chunk:  # noqa: B007
                yield not_made(new_id("batch_req"), custom_id, code, message)

    def _finish(self, batch: BatchRecord, output: Incoming | None, errors: Incoming | None) -> None:
        row = BatchRecord
        kept_for = timedelta(seconds=batch.output_kept_seconds)
        with self._database.write() as session:
            now = self._database.now(session)
            left = select(func.count()).where(BatchLineRecord.batch_id == batch.id, BatchLineRecord.state != DONE)
            mine = session.scalar(
                update(row)
                .where(row.id == batch.id, row.ended_at.is_(None))
                .values(
                    status=batch.ending,
                    ended_at=now,
                    output_file_id=output and output.id,
                    error_file_id=errors and errors.id,
                    failed=row.failed + left.scalar_subquery(),
                    not_called=left.scalar_subquery(),
                    paused_until=None,
                    paused_for=None,
                )
                .returning(row.id)
                .execution_options(synchronize_session=False)
            )
            for incoming, kind in ((output, "output"), (errors, "error")):
                if incoming is not None and mine is not None:
                    new = NewFile(f"{batch.id}_{kind}.jsonl", BATCH_OUTPUT, kept_for)
                    insert_file(session, now, batch.team_id, batch.key_id, incoming, new)
            if mine is not None:
                self._outbox.add(session, Event(f"batch.{batch.ending}", batch.team_id, {"id": batch.id}))
        if mine is None:  # somebody else was first
            for incoming in (output, errors):
                if incoming is not None:
                    self._files.discard(incoming)

    def _delete_some(self, batch_id: str) -> bool:
        with self._database.write() as session:
            left = False
            for row in (BatchLineRecord, BatchResultRecord):
                some = select(row.number).where(row.batch_id == batch_id).limit(CHUNK_DELETED)
                gone = delete(row).where(row.batch_id == batch_id, row.number.in_(some)).returning(row.number)
                left = bool(session.scalars(gone).all()) or left
            if not left:
                session.execute(update(BatchRecord).where(BatchRecord.id == batch_id).values(is_open=False))
        return left
