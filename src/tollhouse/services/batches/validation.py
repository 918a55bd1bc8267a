"""Before a line of a batch is called, all of its file is read: what is wrong is told by line, field and reason."""

import time
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tollhouse import logs
from tollhouse.domain.errors import ContentMissing, TollhouseError, Unauthenticated
from tollhouse.domain.ports import Blobs, OpenBlob
from tollhouse.domain.principal import Principal
from tollhouse.domain.webhooks import Event
from tollhouse.services.batches.batches import FAILED, IN_PROGRESS, VALIDATING, WANTED
from tollhouse.services.batches.file_lines import Unreadable, lines_of
from tollhouse.services.batches.handover.choice import HandoverChoice
from tollhouse.services.batches.line_check import LineCheck
from tollhouse.services.keys.authentication import Authentication
from tollhouse.services.models.catalogue import CatalogueReader
from tollhouse.services.outbox import NOBODY, Tells
from tollhouse.store.database import Database
from tollhouse.store.records import BatchLineRecord, BatchRecord

CHUNK_LINES = 500
"""Lines of one transaction: keeps SQLite's write lock under 50 ms."""
MOST_ERRORS = 100
"""Of one batch: whoever has more has one reason for all of them."""
MOST_LINES = 1_000_000

Problem = dict[str, Any]


class BatchValidation:
    """Goes on where it left off: what was read is in the batch's row, in the transaction that wrote its lines."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        authentication: Authentication,
        catalogue: CatalogueReader,
        *,
        longest_line: int,
        outbox: Tells = NOBODY,
        choice: HandoverChoice,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._authentication = authentication
        self._catalogue = catalogue
        self._longest_line = longest_line
        self._outbox = outbox
        self._choice = choice
        self._insert = sqlite.insert if database.dialect == "sqlite" else postgresql.insert

    def run(self, batch_id: str, until: float) -> bool:
        """Read on until that monotonic second; whether the batch is validated, or has ended."""
        with self._database.read() as session:
            batch = session.get(BatchRecord, batch_id)
        if batch is None or batch.status != VALIDATING:
            return True
        try:
            principal = self._authentication.owner(batch.key_id, batch.team_id)
            blob = self._blobs.open(batch.input_file_id)
        except (Unauthenticated, ContentMissing) as error:
            self._fail(batch_id, [_problem(error, None)])
            return True
        try:
            return self._read(batch, principal, blob, until)
        finally:
            blob.close()

    def _read(self, batch: BatchRecord, principal: Principal, blob: OpenBlob, until: float) -> bool:
        before = {batch.model} if batch.read_lines else set()
        check = LineCheck(batch.endpoint, principal, self._catalogue.current, before)
        chunk = _Chunk(batch)
        try:
            for start, text in lines_of(blob, batch.read_bytes, self._longest_line):
                chunk.take(check, start, text)
                if len(chunk.problems) >= MOST_ERRORS:
                    break
                if len(chunk.rows) >= CHUNK_LINES and not chunk.problems:
                    if not self._keep(batch.id, chunk, check.model):
                        return True
                    if time.monotonic() >= until and not chunk.problems:
                        return False
        except Unreadable as error:
            chunk.problems.append(_told(error.code, error.message, None, chunk.number + 1))
        if not chunk.problems and not self._keep(batch.id, chunk, check.model):
            return True
        if chunk.problems:
            self._fail(batch.id, chunk.problems)
        else:
            self._start(batch.id, principal)
        return True

    def _keep(self, batch_id: str, chunk: "_Chunk", model: str | None) -> bool:
        """Write what was read. False where somebody else has read it too, or the batch was cancelled."""
        with self._database.write() as session:
            row = BatchRecord
            moved = session.scalar(
                update(row)
                .where(row.id == batch_id, row.status == VALIDATING, row.read_bytes == chunk.start)
                .values(read_bytes=chunk.end, read_lines=chunk.number, total=row.total + len(chunk.rows), model=model)
                .returning(row.id)
                .execution_options(synchronize_session=False)
            )
            if moved is None:
                return False
            if chunk.rows:
                chunk.problems += self._insert_lines(session, batch_id, chunk.rows)
        chunk.rows, chunk.start = [], chunk.end
        return True

    def _insert_lines(self, session: Session, batch_id: str, rows: list[dict[str, Any]]) -> list[Problem]:
        """What is wrong: custom ids that were there before, which the database knows however long the file is."""
        line = BatchLineRecord
        statement = self._insert(line).on_conflict_do_nothing().returning(line.number)
        written = set(session.scalars(statement, rows))
        if len(written) == len(rows):
            return []
        twice = [row for row in rows if row["number"] not in written]
        ids = {row["custom_id"] for row in twice}
        first = dict(
            session.execute(
                select(line.custom_id, line.number).where(line.batch_id == batch_id, line.custom_id.in_(ids))
            ).all()
        )
        return [
            _told(
                "duplicate_custom_id",
                f"custom_id: {row['custom_id'][:60]!r} is on line {first[row['custom_id']]} already.",
                "custom_id",
                row["number"],
            )
            for row in twice[:MOST_ERRORS]
        ]

    def _start(self, batch_id: str, principal: Principal) -> None:
        with self._database.write() as session:
            batch = session.get(BatchRecord, batch_id)
            if batch is None or batch.status != VALIDATING:
                return
            now = self._database.now(session)
            if not batch.total:
                batch.errors = [_told("empty_file", "The file has no lines.", None, None)]
                batch.status, batch.is_open, batch.ended_at = FAILED, False, now
                self._outbox.add(session, Event("batch.failed", batch.team_id, {"id": batch_id}))
                return
            refusal = self._refusal(batch, principal)
            if refusal is None:
                batch.status, batch.in_progress_at = IN_PROGRESS, now
        if refusal is not None:
            self._fail(batch_id, [refusal])

    def _refusal(self, batch: BatchRecord, principal: Principal) -> Problem | None:
        """Decide where its lines go, to its provider's own batches or nowhere from here; why it has to fail."""
        mode = batch.provider_batch = self._choice.mode(batch.provider_batch)
        if mode == "never":
            return None
        try:
            self._choice.target(
                self._catalogue.current,
                principal,
                batch.model,
                endpoint=batch.endpoint,
                window=batch.completion_window,
                asked=mode,
            )
        except TollhouseError as error:
            if mode == "always":
                return _problem(error, None)
            logs.event("not_handed_over", batch=batch.id, reason=error.message)
        else:
            batch.handover = WANTED
        return None

    def _fail(self, batch_id: str, problems: list[Problem]) -> None:
        """Nothing of it was called, and nothing will be."""
        problems.sort(key=lambda problem: problem["line"] or 0)
        with self._database.write() as session:
            row = BatchRecord
            team_id = session.scalar(
                update(row)
                .where(row.id == batch_id, row.status == VALIDATING)
                .values(status=FAILED, ended_at=self._database.now(session), errors=problems, total=0)
                .returning(row.team_id)
                .execution_options(synchronize_session=False)
            )
            if team_id is not None:
                self._outbox.add(session, Event("batch.failed", team_id, {"id": batch_id}))
        while self._delete_some(batch_id):
            pass

    def _delete_some(self, batch_id: str) -> bool:
        line = BatchLineRecord
        with self._database.write() as session:
            some = select(line.number).where(line.batch_id == batch_id).limit(CHUNK_LINES * 2)
            numbers = delete(line).where(line.batch_id == batch_id, line.number.in_(some)).returning(line.number)
            left = bool(session.scalars(numbers).all())
            if not left:
                session.execute(update(BatchRecord).where(BatchRecord.id == batch_id).values(is_open=False))
        return left


class _Chunk:
    """What was read and is not written yet: the rows of the file's bytes from `start` to `end`."""

    def __init__(self, batch: BatchRecord) -> None:
        self.batch_id = batch.id
        self.number = batch.read_lines
        """Of the last line that was read."""
        self.start = self.end = batch.read_bytes
        self.rows: list[dict[str, Any]] = []
        self.problems: list[Problem] = []

    def take(self, check: LineCheck, start: int, text: bytes) -> None:
        self.number, self.end = self.number + 1, start + len(text) + 1
        if not text.strip():
            return
        try:
            self.rows.append(check.row(self.batch_id, self.number, start, text))
        except TollhouseError as error:
            self.problems.append(_problem(error, self.number))
        if self.number > MOST_LINES:
            self.problems.append(_told("too_many_lines", f"A batch may have {MOST_LINES} lines.", None, self.number))


def _problem(error: TollhouseError, line: int | None) -> Problem:
    return _told(error.code, error.message, error.param, line)


def _told(code: str, message: str, param: str | None, line: int | None) -> Problem:
    return {"code": code, "line": line, "message": message, "param": param}
