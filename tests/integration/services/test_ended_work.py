"""What is left of background work is kept for its days, and no longer; what has not ended stays."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, select

from tollhouse.domain.identifiers import new_id
from tollhouse.jobs import expire_jobs
from tollhouse.services.background.claims import DONE, RUNNING
from tollhouse.services.jobs.ended_work import CHUNK, EndedWork
from tollhouse.services.schedules.runs import DUE, STARTED
from tollhouse.store.database import Database
from tollhouse.store.records import BackgroundRecord, BatchRecord, ResponseEventsRecord, ScheduleRunRecord

NOW = datetime.now(UTC)
OLD, YOUNG = NOW - timedelta(days=8), NOW - timedelta(days=6)


@pytest.fixture
def ended(database: Database) -> EndedWork:
    return EndedWork(database, events_days=7, batches_days=7, runs_days=7)


def response(database: Database, ended_at: datetime | None, events: int = 3) -> str:
    id = new_id("resp")
    with database.write() as session:
        session.add(
            BackgroundRecord(
                id=id, team_id="team", key_id="key", call=None, streamed=True, state=DONE if ended_at else RUNNING,
                attempt=1, failures=0, last_number=events - 1, expires_at=NOW, ended_at=ended_at,
            )
        )  # fmt: skip
        session.add_all(
            ResponseEventsRecord(response_id=id, first=number, last=number, events=b"x") for number in range(events)
        )
    return id


def batch(database: Database, ended_at: datetime | None) -> str:
    sums = ("read_bytes", "read_lines", "total", "completed", "failed", "not_called", "cost")
    tokens = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
    counts: dict[str, Any] = dict.fromkeys((*sums, *tokens), 0)
    row = BatchRecord(
        id=new_id("batch"), team_id="team", key_id="key", tags=[], endpoint="/v1/chat/completions",
        completion_window="24h", input_file_id="file", output_kept_seconds=1, status="completed",
        is_open=ended_at is None, created_at=OLD, expires_at=OLD, ended_at=ended_at, **counts,
    )  # fmt: skip
    with database.write() as session:
        session.add(row)
    return row.id


def run(database: Database, created_at: datetime, state: str = STARTED) -> str:
    row = ScheduleRunRecord(
        id=new_id("run"), schedule_id=new_id("sch"), team_id="team", due_at=created_at, created_at=created_at,
        state=state, attempt=1,
    )  # fmt: skip
    with database.write() as session:
        session.add(row)
    return row.id


def left(database: Database, column: Any) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(column)))


def test_event_logs_go_and_their_responses_stay_and_say_so(database: Database, ended: EndedWork) -> None:
    old, young, open = response(database, OLD, CHUNK + 5), response(database, YOUNG), response(database, None)
    assert ended.expire() == {"event_logs": 1, "batches": 0, "schedule_runs": 0, "reports": 0}
    assert left(database, ResponseEventsRecord.response_id) == {young, open}
    assert left(database, BackgroundRecord.id) == {old, young, open}
    with database.read() as session:
        assert session.scalars(select(BackgroundRecord.id).where(~BackgroundRecord.streamed)).all() == [old]
        assert session.scalar(select(func.count()).select_from(ResponseEventsRecord)) == 6
    assert not any(ended.expire().values())


def test_batches_and_runs_go_that_have_ended_long_ago(database: Database, ended: EndedWork) -> None:
    batch(database, OLD)
    kept = {batch(database, YOUNG), batch(database, None)}
    for _ in range(CHUNK + 1):
        run(database, OLD)
    runs = {run(database, YOUNG), run(database, OLD, DUE)}
    expire_jobs.run(SimpleNamespace(ended_work=ended))  # type: ignore[arg-type]
    assert left(database, BatchRecord.id) == kept
    assert left(database, ScheduleRunRecord.id) == runs
