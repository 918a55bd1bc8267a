"""Whom calls were made for goes with the person who was deleted; sums stay."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.ledgers import MINT
from tollhouse.domain.ports import at_once
from tollhouse.domain.rights import Role
from tollhouse.services.batches.files import BATCH_OUTPUT
from tollhouse.services.keys.keys import Keys
from tollhouse.services.people.users import Users
from tollhouse.services.privacy import forgetting
from tollhouse.services.privacy.forgetting import Forgetting
from tollhouse.services.privacy.personal_data import PersonalDataOf
from tollhouse.services.reports.roll_up import RollUp
from tollhouse.services.reports.usage import UsageReport
from tollhouse.store.archiving import Archiving
from tollhouse.store.database import Database
from tollhouse.store.local_blobs import LocalBlobs
from tollhouse.store.records import DailyEndUserUsageRecord, FileRecord, ForgettingRecord, HoldRecord, LedgerRecord
from tollhouse.store.searches import Searches

EMAIL = "ada@example.com"
Book = Callable[..., str]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "SETTLED_AFTER", timedelta(0))
    monkeypatch.setattr(forgetting, "READ_AT_ONCE", 3)
    monkeypatch.setattr(forgetting, "CHUNK", 2)


@pytest.fixture
def usage(database: Database) -> UsageReport:
    return UsageReport(Searches(database))


@pytest.fixture
def ada(database: Database) -> tuple[str, str]:
    """Somebody's id, and their key's."""
    users = Users(database)
    users.ensure_admin("admin@example.com", "a password for tests")
    id = users.create(EMAIL, "a password for tests", role=Role.MEMBER).user.id
    key = Keys(database, MINT).create("hers", user_id=id).id
    return id, key


@pytest.fixture
def delete(database: Database, usage: UsageReport, ada: tuple[str, str]) -> Callable[[], None]:
    return lambda: PersonalDataOf(database, usage).delete(ada[0])


def day(ago: int) -> datetime:
    return datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=ago)


def named(database: Database) -> dict[str | None, int]:
    """How many rows of the ledger name whom."""
    with database.read() as session:
        asked = select(LedgerRecord.end_user, func.count()).group_by(LedgerRecord.end_user)
        return dict(session.execute(asked).all())


def test_end_users_of_ones_own_calls_go_and_sums_stay(
    database: Database, ada: tuple[str, str], book: Book, usage: UsageReport, delete: Callable[[], None]
) -> None:
    id, key = ada
    for ago in (3, 2, 0):
        for number in range(7):
            book(day(ago), user_id=id, key_id=key if number % 2 else id, end_user=f"editor {number % 3}")
        book(day(ago), key_id="key_of_a_team", end_user="editor 0")
        book(day(ago), key_id="key_of_a_team", end_user=EMAIL.title())
        book(day(ago), key_id="key_of_a_team", end_user="somebody else")
    RollUp(database).run()
    total = usage.by("day")
    delete()
    assert Forgetting(database).run() == 1
    assert named(database) == {None: 24, "editor 0": 3, "somebody else": 3}
    assert usage.by("day") == total
    by_end_user = usage.by("end_user")
    assert {name: sums.requests for name, sums in by_end_user.items()} == {"": 24, "editor 0": 3, "somebody else": 3}
    assert sum(sums.cost for sums in by_end_user.values()) == sum(sums.cost for sums in total.values())
    with database.read() as session:
        assert session.scalar(select(ForgettingRecord)) is None
        names = {*session.scalars(select(DailyEndUserUsageRecord.end_user))}
    assert names == {"", "editor 0", "somebody else"}
    assert Forgetting(database).run() == 0


def test_a_day_that_is_about_to_be_added_up_waits_until_it_was(
    database: Database, ada: tuple[str, str], book: Book, usage: UsageReport, delete: Callable[[], None]
) -> None:
    book(day(2), user_id=ada[0], key_id=ada[0], end_user="editor")
    delete()
    assert Forgetting(database).run() == 0
    assert named(database) == {"editor": 1}
    RollUp(database).run()
    assert Forgetting(database).run() == 1
    assert named(database) == {None: 1}
    assert [*usage.by("end_user")] == [""]


def test_sums_of_days_that_are_archived_lose_an_address_too(
    database: Database, book: Book, usage: UsageReport, delete: Callable[[], None], tmp_path: Path
) -> None:
    for ago in (9, 8, 7, 6, 0):
        book(day(ago), key_id="key_of_a_team", end_user=EMAIL.title())
        book(day(ago), key_id="key_of_a_team", end_user="somebody else")
    RollUp(database).run()
    assert Archiving(database, LocalBlobs(tmp_path / "archive", at_once)).run(days=2)
    total = usage.by("day")
    delete()
    assert Forgetting(database).run() == 1
    assert {name: sums.requests for name, sums in usage.by("end_user").items()} == {"": 5, "somebody else": 5}
    assert usage.by("day") == total
    assert not [file for file in (tmp_path / "archive").iterdir() if b"ada@" in file.read_bytes().lower()]


def test_calls_that_are_open_are_waited_for(
    database: Database, ada: tuple[str, str], book: Book, delete: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    hold: dict[str, Any] = {
        "id": "hold_1", "instance_id": "ins_1", "request_id": "req_1", "attempt": 1, "key_id": ada[1], "model": "m",
        "provider": "p", "upstream_model": "m", "format": "chat", "streamed": True, "started_at": now, "amount": 5,
        "input_bound": 5, "taken": {}, "held_at": now, "end_user": "editor",
    }  # fmt: skip
    with database.write() as session:
        session.add(HoldRecord(**hold))
    delete()
    assert Forgetting(database).run() == 0
    with database.write() as session:
        session.delete(session.get_one(HoldRecord, "hold_1"))
    book(now, user_id=ada[0], key_id=ada[1], end_user="editor")
    monkeypatch.setattr(forgetting, "SETTLED_AFTER", timedelta(hours=1))
    assert Forgetting(database).run() == 0, "a process may not have heard of it"
    assert named(database) == {None: 1}
    monkeypatch.setattr(forgetting, "SETTLED_AFTER", timedelta(0))
    assert Forgetting(database).run() == 1


def test_files_stay_their_teams_under_another_name(
    database: Database, ada: tuple[str, str], delete: Callable[[], None]
) -> None:
    names = ["ada's.jsonl", "deleted ada", "Ada.PDF", "ada.and her very long ending", "ada.x-y"]
    with database.write() as session:
        for number, name in enumerate(names):
            session.add(_file(f"file-{number}", ada[number % 2], name))
        session.add(_file("file-8", ada[1], "batch_1_output.jsonl", purpose=BATCH_OUTPUT))
        session.add(_file("file-9", "key_of_a_team", "ada of another.txt"))
    delete()
    assert Forgetting(database).run() == 1
    with database.read() as session:
        found = list(session.scalars(select(FileRecord.filename).order_by(FileRecord.id)))
    ours = ["batch_1_output.jsonl", "ada of another.txt"]
    assert found == ["deleted.jsonl", "deleted", "deleted.pdf", "deleted", "deleted", *ours]


def _file(id: str, key_id: str, name: str, purpose: str = "user_data") -> FileRecord:
    return FileRecord(
        id=id, team_id="team_default", key_id=key_id, filename=name, purpose=purpose, size=1,
        created_at=datetime.now(UTC),
    )  # fmt: skip
