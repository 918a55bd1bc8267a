"""Batches as their team sees them: asked for, shown, cancelled."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from tollhouse.domain.errors import Conflict, Forbidden, InvalidField, NotFound
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.money import usd_from_nanos
from tollhouse.domain.principal import Principal
from tollhouse.services.batches.files import BATCH, BATCH_KEPT_FOR, find_file, read_kept_for, unknown_file
from tollhouse.services.pages import Page, no_such_item, shown
from tollhouse.services.wake_ups import Wake, wake_after
from tollhouse.store.database import Database
from tollhouse.store.records import BatchRecord
from tollhouse.wire.schema import RequestSchema

VALIDATING, IN_PROGRESS, FINALIZING, CANCELLING = "validating", "in_progress", "finalizing", "cancelling"
COMPLETED, FAILED, EXPIRED, CANCELLED = "completed", "failed", "expired", "cancelled"
WANTED, OUT, BACK = "wanted", "out", "back"
"""Of a handover to the provider's own batches: to be begun, under way, over. While it is one of the first two, no line
of the batch is called here."""
ELSEWHERE = (WANTED, OUT)
LONGEST_WINDOW = timedelta(days=7)
PREFIX = "batch"

_SCHEMA = RequestSchema("batch")
_EXPIRES = "output_expires_after"
_WINDOW = re.compile(r"([1-9][0-9]{0,3})(m|h|d)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Batches:
    """`wake` tells the workers that there is something to do, `wake_elsewhere` those of batches that are at their
    providers; where that is lost, the scheduler tells them.
    """

    def __init__(self, database: Database, wake: Wake, wake_elsewhere: Wake) -> None:
        self._database = database
        self._wake = wake
        self._wake_elsewhere = wake_elsewhere

    def check(self, principal: Principal, body: Mapping[str, Any]) -> None:
        """Raise what `create` would raise for the body itself."""
        _SCHEMA.check(body)
        if not principal.may_call(body["endpoint"]):
            raise Forbidden("This API key may not call the endpoint of this batch.", param="endpoint")
        window_of(body["completion_window"])
        _output_kept_for(body)

    def create(
        self,
        principal: Principal,
        body: Mapping[str, Any],
        tags: tuple[str, ...] = (),
        trace: str | None = None,
        also: Callable[[Session, str], None] = lambda session, id: None,
    ) -> dict[str, Any]:
        """A batch that is to be validated, in this `trace`; `also` as for `add`. Raises InvalidField, NotFound."""
        self.check(principal, body)
        seconds = int(_output_kept_for(body).total_seconds())
        return shown_batch(self.add(principal, body, tags, seconds, also=also, trace=trace))

    def add(
        self,
        principal: Principal,
        body: Mapping[str, Any],
        tags: tuple[str, ...],
        kept_seconds: int,
        *,
        prefix: str = PREFIX,
        asked: int | None = None,
        also: Callable[[Session, str], None] = lambda session, id: None,
        trace: str | None = None,
    ) -> BatchRecord:
        """The row of a batch whose body was checked, and a worker is woken for it; `asked` is how many lines it has,
        where that is known. `also` is done in the same transaction, given its id. Raises InvalidField, NotFound.
        """
        window, file_id = window_of(body["completion_window"]), body["input_file_id"]

        def change(session: Session) -> BatchRecord:
            now = self._database.now(session)
            file = find_file(session, now, principal.team_id, file_id) if file_id.isprintable() else None
            if file is None:
                raise unknown_file(file_id, "input_file_id")
            if file.purpose != BATCH:
                raise InvalidField(
                    f"input_file_id: the file was uploaded for {file.purpose!r}; one for {BATCH!r} is required.",
                    param="input_file_id",
                )
            row = BatchRecord(
                id=new_id(prefix),
                team_id=principal.team_id,
                key_id=principal.key_id,
                tags=list(tags),
                endpoint=body["endpoint"],
                completion_window=body["completion_window"],
                labels=body.get("metadata"),
                input_file_id=file_id,
                output_kept_seconds=kept_seconds,
                asked=asked,
                trace=trace,
                provider_batch=body.get("provider_batch"),
                status=VALIDATING,
                is_open=True,
                created_at=now,
                expires_at=now + window,
                **dict.fromkeys(_COUNTS, 0),
            )
            session.add(row)
            session.flush()
            also(session, row.id)
            return row

        row = self._database.put(change)
        self._wake()
        return row

    def any_open(self) -> bool:
        """Whether there is anything to do."""
        with self._database.read() as session:
            return session.scalar(select(BatchRecord.id).where(BatchRecord.is_open, here()).limit(1)) is not None

    def any_elsewhere(self) -> bool:
        """Whether lines are to be handed over, or were."""
        with self._database.read() as session:
            return session.scalar(select(BatchRecord.id).where(BatchRecord.is_open, ~here()).limit(1)) is not None

    def retrieve(self, principal: Principal, id: str) -> dict[str, Any]:
        """Raises NotFound."""
        row = self._database.ask(lambda session: find_batch(session, principal, id)) if id.isprintable() else None
        if row is None:
            raise _unknown(id)
        return shown_batch(row)

    def page(self, principal: Principal, page: Page) -> dict[str, Any]:
        """Raises InvalidField."""

        def question(session: Session) -> list[BatchRecord]:
            wanted = select(BatchRecord).where(
                BatchRecord.team_id == principal.team_id, BatchRecord.id.startswith(f"{PREFIX}_")
            )
            if page.after:
                if not page.after.isprintable() or find_batch(session, principal, page.after) is None:
                    raise no_such_item(page.after)
                wanted = wanted.where(
                    BatchRecord.id > page.after if page.ascending else BatchRecord.id < page.after,
                )
            order = BatchRecord.id.asc() if page.ascending else BatchRecord.id.desc()
            return list(session.scalars(wanted.order_by(order).limit(page.limit + 1)))

        rows = self._database.ask(question)
        return shown([shown_batch(row) for row in rows[: page.limit]], more=len(rows) > page.limit)

    def cancel(self, principal: Principal, id: str) -> dict[str, Any]:
        """Nothing more of it is called; what is under way ends. Raises NotFound, Conflict where it has ended."""

        def change(session: Session) -> BatchRecord | None:
            self._cancel(session, principal.team_id, id)
            return find_batch(session, principal, id)

        row = self._database.put(change) if id.isprintable() else None
        if row is None:
            raise _unknown(id)
        if row.status not in (CANCELLING, CANCELLED):
            raise Conflict(f"The batch {id} is {row.status}: there is nothing left to cancel.")
        self._wake_for(row.handover)()
        return shown_batch(row)

    def cancel_in(self, session: Session, team_id: str, id: str) -> bool:
        """Whether it was cancelled by this, in the caller's transaction; workers are woken when that is over."""
        cancelled = self._cancel(session, team_id, id)
        if cancelled is not None:
            wake_after(session, self._wake_for(cancelled.handover))
        return cancelled is not None

    def _cancel(self, session: Session, team_id: str, id: str) -> Any:
        """Where it is, if it was cancelled."""
        row = BatchRecord
        cancelled = (
            update(row)
            .where(row.id == id, row.team_id == team_id, row.status.in_((VALIDATING, IN_PROGRESS)))
            .values(status=CANCELLING, cancelling_at=self._database.now(session))
            .returning(row.handover)
        )
        return session.execute(cancelled.execution_options(synchronize_session=False)).one_or_none()

    def _wake_for(self, handover: str | None) -> Wake:
        return self._wake_elsewhere if handover in ELSEWHERE else self._wake


def here() -> ColumnElement[bool]:
    """Of batches whose lines are called here."""
    return BatchRecord.handover.is_(None) | BatchRecord.handover.not_in(ELSEWHERE)


def find_batch(session: Session, principal: Principal, id: str) -> BatchRecord | None:
    """The team's batch of this id."""
    wanted = select(BatchRecord).where(BatchRecord.id == id, BatchRecord.team_id == principal.team_id)
    return session.scalar(wanted.execution_options(populate_existing=True))


def window_of(said: str) -> timedelta:
    """How long a batch may take. Raises InvalidField."""
    found = _WINDOW.fullmatch(said)
    window = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else LONGEST_WINDOW * 2
    if window > LONGEST_WINDOW:
        raise InvalidField(
            f"completion_window: {said!r} is none; it is 24h, or another number of minutes (m), hours (h) or days (d), "
            f"{LONGEST_WINDOW.days}d at most.",
            param="completion_window",
        )
    return window


def _output_kept_for(body: Mapping[str, Any]) -> timedelta:
    """How long the files are kept that come of it. Raises InvalidField."""
    given = body.get(_EXPIRES)
    if not given:
        return BATCH_KEPT_FOR
    said = {f"{_EXPIRES}.{name}": value for name, value in given.items()}
    return read_kept_for(said, f"{_EXPIRES}.anchor", f"{_EXPIRES}.seconds")


def _unknown(id: str) -> NotFound:
    return NotFound(f"There is no batch {id[:100]!r}.", param="batch_id")


_COUNTS = (
    "read_bytes",
    "read_lines",
    "total",
    "completed",
    "failed",
    "not_called",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost",
)


def shown_batch(row: BatchRecord) -> dict[str, Any]:
    """The batch as OpenAI writes it; `cost_usd` and what follows it are ours."""
    ended = {name: row.ended_at if row.status == name else None for name in (COMPLETED, FAILED, EXPIRED, CANCELLED)}
    errors = None if row.errors is None else {"object": "list", "data": row.errors}
    paused = None
    if row.is_open and row.paused_for and row.paused_until and row.paused_until > datetime.now(UTC):
        paused = {"until": _moment(row.paused_until), "message": row.paused_for}
    return {
        "id": row.id,
        "object": "batch",
        "endpoint": row.endpoint,
        "model": row.model,
        "errors": errors,
        "input_file_id": row.input_file_id,
        "completion_window": row.completion_window,
        "status": row.status,
        "output_file_id": row.output_file_id,
        "error_file_id": row.error_file_id,
        "created_at": _moment(row.created_at),
        "in_progress_at": _moment(row.in_progress_at),
        "expires_at": _moment(row.expires_at),
        "finalizing_at": _moment(row.finalizing_at),
        "completed_at": _moment(ended[COMPLETED]),
        "failed_at": _moment(ended[FAILED]),
        "expired_at": _moment(ended[EXPIRED]),
        "cancelling_at": _moment(row.cancelling_at),
        "cancelled_at": _moment(ended[CANCELLED]),
        "request_counts": {"total": row.total, "completed": row.completed, "failed": row.failed},
        "usage": {
            "input_tokens": row.input_tokens,
            "input_tokens_details": {"cached_tokens": row.cached_tokens},
            "output_tokens": row.output_tokens,
            "output_tokens_details": {"reasoning_tokens": row.reasoning_tokens},
            "total_tokens": row.input_tokens + row.output_tokens,
        },
        "metadata": row.labels,
        "cost_usd": usd_from_nanos(row.cost),
        "paused": paused,
        "provider_batch": row.provider_batch,
        "provider_batches": row.handed,
    }


def _moment(value: datetime | None) -> int | None:
    return None if value is None else int(value.timestamp())
