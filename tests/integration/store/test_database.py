"""Sessions: who waits for whom, and what a transaction is."""

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from tests.databases import migrate
from tollhouse.domain.errors import InvalidSetting, Unavailable
from tollhouse.store import database as database_module
from tollhouse.store.changes import announce, current_version
from tollhouse.store.database import Database

WAITER = """
from gevent import monkey
monkey.patch_all()
import sys, time
import gevent
from tollhouse.store.changes import announce
from tollhouse.store.database import Database

longest = 0.0

def tick():
    global longest
    while True:
        began = time.monotonic()
        gevent.sleep(0.005)
        longest = max(longest, time.monotonic() - began)

database = Database(sys.argv[1], cooperative=sys.argv[2] == "cooperative")
with database.read() as session:
    session.connection()
ticker = gevent.spawn(tick)
print("ready", flush=True)
sys.stdin.readline()
gevent.sleep(0.02)  # the ticker begins
longest = 0.0
began = time.monotonic()
with database.write() as session:
    announce(session)
waited = time.monotonic() - began
gevent.sleep(0.02)
print(waited, longest)
"""


def version(database: Database) -> int:
    with database.read() as session:
        return current_version(session)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    migrate(url)
    return url


def test_a_write_is_committed_when_its_block_ends_and_undone_when_it_raises(database: Database) -> None:
    with database.write() as session:
        announce(session)
    assert version(database) == 1

    def fail() -> None:
        with database.write() as session:
            announce(session)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert version(database) == 1


def test_a_reader_never_waits_for_a_writer_and_sees_what_was_before(database: Database) -> None:
    with database.write() as writer:
        announce(writer)
        began = time.monotonic()
        assert version(database) == 0
        assert time.monotonic() - began < 0.5
    assert version(database) == 1


def test_a_writer_never_waits_for_a_reader_that_keeps_its_snapshot(database: Database) -> None:
    with database.read() as reader:
        current_version(reader)
        began = time.monotonic()
        with database.write() as writer:
            announce(writer)
        assert time.monotonic() - began < 0.5
    assert version(database) == 1


def test_writers_that_read_first_lose_nothing(database: Database) -> None:
    def add() -> None:
        for _ in range(10):
            with database.write() as session:
                announce(session)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert version(database) == 40


@pytest.mark.parametrize(("kind", "blocks"), [("cooperative", False), ("threads", True)])
def test_only_a_cooperative_writer_leaves_the_other_greenlets_running(
    sqlite_url: str, kind: str, *, blocks: bool
) -> None:
    waiter = subprocess.Popen(
        [sys.executable, "-c", WAITER, sqlite_url, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert waiter.stdout is not None
    assert waiter.stdin is not None
    assert waiter.stdout.readline() == "ready\n"
    mine = Database(sqlite_url)
    with mine.write() as session:
        announce(session)
        waiter.stdin.write("go\n")
        waiter.stdin.flush()
        time.sleep(0.6)
    waited, longest = map(float, waiter.communicate(timeout=20)[0].split())
    assert waited > 0.4
    assert (longest > 0.3) is blocks
    assert version(mine) == 2
    mine.close()


def test_a_lock_that_is_never_let_go_is_an_error_of_the_database(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "WRITE_WAIT_SECONDS", 0.1)
    database = Database(sqlite_url, cooperative=True)
    began = time.monotonic()
    with database.write() as first:
        announce(first)
        with pytest.raises(OperationalError, match="database is locked"), database.write() as second:
            announce(second)
    assert 0.1 <= time.monotonic() - began < 1
    database.close()


def test_a_file_that_is_damaged_while_in_use_is_an_error_of_the_database(sqlite_url: str, tmp_path: Path) -> None:
    database = Database(sqlite_url)
    assert version(database) == 0
    database.close()
    path = tmp_path / "test.db"
    path.write_bytes(os.urandom(path.stat().st_size))
    with pytest.raises(SQLAlchemyError, match="not a database"), database.write() as session:
        announce(session)
    database.close()


def test_a_file_that_may_only_be_read_is_an_error_of_the_database(sqlite_url: str, tmp_path: Path) -> None:
    database = Database(f"sqlite:///file:{tmp_path / 'test.db'}?mode=ro&uri=true")
    with pytest.raises(OperationalError, match="readonly"), database.write() as session:
        announce(session)
    database.close()


def test_a_moment_is_kept_to_the_microsecond_and_needs_its_time_zone(database: Database) -> None:
    from tollhouse.store.records import LeaseRecord

    moment = datetime(2026, 3, 29, 3, 30, 0, 123456, tzinfo=UTC)
    with database.write() as session:
        session.add(LeaseRecord(name="a", owner="o", until=moment))
    with database.read() as session:
        kept = session.get(LeaseRecord, "a")
    assert kept is not None
    assert kept.until == moment
    assert kept.until.utcoffset() == timedelta(0)
    with pytest.raises(SQLAlchemyError, match="time zone"), database.write() as session:
        session.add(LeaseRecord(name="b", owner="o", until=moment.replace(tzinfo=None)))


def test_the_time_is_the_databases(database: Database) -> None:
    with database.read() as session:
        now = database.now(session)
        assert abs((now - datetime.now(UTC)).total_seconds()) < 5
        if database.dialect == "postgresql":
            assert session.execute(text("SELECT now()")).scalar_one() == now


def test_a_port_that_is_no_number_is_a_sentence_about_the_setting() -> None:
    with pytest.raises(InvalidSetting, match="TOLLHOUSE_DATABASE_URL"):
        Database("postgresql://somebody@127.0.0.1:port/name")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_a_sentence_about_the_setting(url: str) -> None:
    with pytest.raises(InvalidSetting, match="TOLLHOUSE_DATABASE_URL must name a file"):
        Database(url)


def test_the_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    database = Database(f"sqlite:///{path}")
    with database.read() as session:
        session.connection()
    assert path.stat().st_mode & 0o777 == 0o600
    database.close()


def test_a_question_to_a_database_that_hangs_ends_in_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert database.ask(lambda session: session.scalar(text("SELECT 41 + 1"))) == 42
    with pytest.raises(SQLAlchemyError):
        database.ask(lambda session: session.scalar(text("SELECT nonsense")))
    if database.dialect == "sqlite":
        return
    monkeypatch.setattr(database_module, "ASK_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        database.ask(lambda session: session.scalar(text("SELECT pg_sleep(3)")))
    assert time.monotonic() - began < 1
    assert database.ask(lambda session: session.scalar(text("SELECT 1"))) == 1
