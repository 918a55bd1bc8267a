"""Lines of batches on both databases: taken by one process at a time, ended once, whoever comes late."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from tollhouse.domain.usage import Usage
from tollhouse.services.batches.batches import _COUNTS, CANCELLING, IN_PROGRESS
from tollhouse.services.batches.lines import LEASE, BatchLines, GivenBack, Line, Result
from tollhouse.store.database import Database
from tollhouse.store.records import BatchLineRecord, BatchRecord, BatchResultRecord

BATCH = "batch_1"


@pytest.fixture(autouse=True)
def batch(database: Database) -> None:
    with database.write() as session:
        now = database.now(session)
        counts = {**dict.fromkeys(_COUNTS, 0), "total": 40}
        session.add(
            BatchRecord(
                id=BATCH,
                team_id="team_1",
                key_id="key_1",
                tags=[],
                endpoint="/v1/embeddings",
                completion_window="24h",
                input_file_id="file-1",
                output_kept_seconds=3600,
                status=IN_PROGRESS,
                is_open=True,
                created_at=now,
                expires_at=now + timedelta(days=1),
                **counts,
            )
        )
        zeros = dict.fromkeys(("start", "size", "state", "attempt", "failures", "deaths"), 0)
        session.add_all(
            BatchLineRecord(batch_id=BATCH, number=number, custom_id=f"c{number}", **zeros) for number in range(1, 41)
        )


def pass_time(database: Database, seconds: float) -> None:
    """For all leases."""
    with database.write() as session:
        now = database.now(session)
        until = now + LEASE - timedelta(seconds=seconds)
        session.execute(
            update(BatchLineRecord).where(BatchLineRecord.lease_until.is_not(None)).values(lease_until=until)
        )


def ended(line: Line, text: bytes = b"{}", *, succeeded: bool = True) -> Result:
    return Result(line, succeeded, text, Usage(input=3, output=2), 10)


def results(database: Database) -> dict[int, bytes]:
    with database.read() as session:
        rows = session.execute(select(BatchResultRecord.number, BatchResultRecord.line)).all()
        return {number: line for number, line in rows}  # noqa: C416 - rows are no tuples for the type checker


def counts(database: Database) -> tuple[int, int, int, int]:
    with database.read() as session:
        row = session.get_one(BatchRecord, BATCH)
        return row.completed, row.failed, row.input_tokens, row.cost


def test_no_line_is_taken_by_two(database: Database) -> None:
    takers = [BatchLines(database, f"ins_{number}") for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        taken = [line for lines in pool.map(lambda one: one.claim(BATCH, 10), takers) for line in lines]
    numbers = [line.number for line in taken]
    assert len(numbers) == len(set(numbers))
    assert sorted(numbers + [line.number for line in takers[0].claim(BATCH, 99)]) == list(range(1, 41))
    assert takers[0].claim(BATCH, 99) == []


def test_a_line_of_the_living_stays_theirs_and_one_of_the_dead_is_free_again(database: Database) -> None:
    dead, living, heir = (BatchLines(database, name) for name in ("ins_dead", "ins_living", "ins_heir"))
    lost = dead.claim(BATCH, 3)
    kept = living.claim(BATCH, 37)
    pass_time(database, LEASE.total_seconds() + 1)
    living.keep([BATCH])
    again = heir.claim(BATCH, 99)
    assert [(line.number, line.attempt, line.deaths) for line in again] == [(line.number, 2, 1) for line in lost]
    assert len(kept) == 37


def test_what_a_late_twin_brings_changes_nothing(database: Database) -> None:
    twin, heir = BatchLines(database, "ins_twin"), BatchLines(database, "ins_heir")
    (line,) = twin.claim(BATCH, 1)
    pass_time(database, LEASE.total_seconds() + 1)
    (again,) = heir.claim(BATCH, 1)
    twin.finish([ended(line, b"late")])
    twin.give_back([GivenBack(line)])
    assert (results(database), counts(database)) == ({}, (0, 0, 0, 0))
    heir.finish([ended(again, b"mine")])
    heir.finish([ended(again, b"twice")])
    twin.finish([ended(line, b"later")])
    assert (results(database), counts(database)) == ({1: b"mine"}, (1, 0, 3, 10))


def test_a_late_result_in_the_same_group_as_the_one_that_counts_changes_nothing(database: Database) -> None:
    lines = BatchLines(database, "ins_1")
    (late, other) = lines.claim(BATCH, 2)
    pass_time(database, LEASE.total_seconds() + 1)
    (again, _) = lines.claim(BATCH, 2)
    lines.finish([ended(late, b"late"), ended(again, b"mine"), ended(other, b"late")])
    assert (results(database), counts(database)) == ({1: b"mine"}, (1, 0, 3, 10))


def test_results_are_counted_where_they_are_written(database: Database) -> None:
    lines = BatchLines(database, "ins_1")
    taken = lines.claim(BATCH, 5)
    lines.finish([*map(ended, taken[:3]), ended(taken[3], succeeded=False)])
    assert counts(database) == (3, 1, 12, 40)
    assert len(results(database)) == 4


def test_one_that_is_given_back_waits_as_long_as_is_said(database: Database) -> None:
    lines = BatchLines(database, "ins_1")
    first, second = lines.claim(BATCH, 2)
    lines.give_back([GivenBack(first), GivenBack(second, 60.0, failed=True)])
    taken = lines.claim(BATCH, 40)
    assert [line.number for line in taken] == [1, *range(3, 41)]
    assert (taken[0].attempt, taken[0].failures) == (2, 0)
    with database.write() as session:
        session.execute(update(BatchLineRecord).values(due_at=database.now(session)))
    (late,) = lines.claim(BATCH, 40)
    assert (late.number, late.failures, late.deaths) == (2, 1, 0)


def test_of_a_batch_that_is_cancelled_no_line_is_taken(database: Database) -> None:
    lines = BatchLines(database, "ins_1")
    (taken,) = lines.claim(BATCH, 1)
    with database.write() as session:
        session.execute(update(BatchRecord).values(status=CANCELLING))
    assert lines.claim(BATCH, 1) == []
    lines.finish([ended(taken)])
    assert counts(database)[0] == 1
