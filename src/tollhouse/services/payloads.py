"""What was asked and answered, where a team keeps that: read, searched, forgotten."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tollhouse.domain.errors import InvalidSetting
from tollhouse.store.database import Database
from tollhouse.store.records import FailedRequestRecord, PayloadRecord, TeamRecord
from tollhouse.store.sealed_boxes import SealedBoxes
from tollhouse.wire import json_text

CHUNK_ROWS = 100
"""Deleted in one transaction, so that none holds the write lock for long."""
MOST_DAYS = 3650


@dataclass(frozen=True, slots=True)
class KeptPayload:
    """`request` is the body as it was read, `answer` the document, or the text of a stream; None of one that was too
    long to be kept, is no text, or never came. What looked like a secret is masked.
    """

    kept_at: datetime
    format: str
    request: Any
    request_bytes: int
    answer: Any
    answer_bytes: int
    streamed: bool
    broken: bool


class Payloads:
    """Reads with the session of who asks, who knows whose it is."""

    def __init__(self, database: Database, boxes: SealedBoxes, *, failed_days: int = 30) -> None:
        """`failed_days` is how long it is kept what callers of failed calls were told."""
        self._database = database
        self._boxes = boxes
        self._failed_days = timedelta(days=failed_days)

    def find(self, session: Session, request_id: str) -> KeptPayload | None:
        """Of this request; None where nothing is kept, or what is can not be opened."""
        row = session.get(PayloadRecord, request_id)
        if row is None or (document := self._open(row)) is None:
            return None
        return KeptPayload(kept_at=row.kept_at, **document)

    def holding(
        self, session: Session, request_ids: Iterable[str], teams: frozenset[str] | None, text: str
    ) -> set[str]:
        """Those of these requests, of these teams (None: of all), in which this text was asked or answered, in
        whatever case.
        """
        asked = select(PayloadRecord).where(PayloadRecord.request_id.in_(list(request_ids)))
        if teams is not None:
            asked = asked.where(PayloadRecord.team_id.in_(sorted(teams)))
        wanted = text.casefold()
        return {row.request_id for row in session.scalars(asked) if self._holds(row, wanted)}

    def expire(self) -> int:
        """Delete what is older than its team keeps it, all of a team that keeps nothing any more, and what callers
        were told long ago, in small transactions; how many rows that were.
        """
        deleted = 0
        with self._database.read() as session:
            now = self._database.now(session)
            teams = session.execute(select(TeamRecord.id, TeamRecord.payload_days)).all()
        for team_id, days in teams:
            before = now if days is None else now - timedelta(days=days)
            deleted += self._delete(PayloadRecord, PayloadRecord.team_id == team_id, PayloadRecord.kept_at < before)
        return deleted + self._delete(FailedRequestRecord, FailedRequestRecord.failed_at < now - self._failed_days)

    def _delete(self, record: Any, *whose: Any) -> int:
        deleted = 0
        while True:
            with self._database.write() as session:
                ids = session.scalars(select(record.request_id).where(*whose).limit(CHUNK_ROWS)).all()
                session.execute(delete(record).where(record.request_id.in_(ids)))
            deleted += len(ids)
            if len(ids) < CHUNK_ROWS:
                return deleted

    def _open(self, row: PayloadRecord) -> dict[str, Any] | None:
        try:
            document = json_text.read_leniently(self._boxes.open(row.request_id, row.data_key, row.content))
        except InvalidSetting:
            return None
        return document if isinstance(document, dict) else None

    def _holds(self, row: PayloadRecord, wanted: str) -> bool:
        document = self._open(row) or {}
        return any(wanted in text.casefold() for text in texts_of([document.get("request"), document.get("answer")]))


def texts_of(value: Any) -> Sequence[str]:
    """Every text in a document, without the names of its fields."""
    found: list[str] = []
    level = [value]
    while level:
        item = level.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, Mapping):
            level.extend(item.values())
        elif isinstance(item, list):
            level.extend(item)
    return found
