"""The schema's versions, and databases that cannot be used."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from tests.databases import KINDS, migrate
from tollhouse.domain.errors import Conflict, InvalidSetting, TollhouseError
from tollhouse.store.changes import current_version
from tollhouse.store.database import Database
from tollhouse.store.records import Base
from tollhouse.store.schema import Schema


@pytest.fixture(params=KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a table, of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server = request.getfixturevalue("postgres_server")
    url = server.create_database()
    yield url
    server.drop_database(url)


def tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names()) - {"alembic_version"}


def test_an_empty_database_is_brought_to_the_newest_version_and_back(empty_url: str) -> None:
    database = Database(empty_url)
    schema = Schema(database)
    assert schema.current() is None
    for _ in range(2):
        schema.upgrade()
        assert schema.current() == schema.newest()
        assert tables(database) == set(Base.metadata.tables)
        schema.check()
        with database.read() as session:
            assert current_version(session) == 0
        schema.downgrade("base")
        assert schema.current() is None
        assert tables(database) == set()
    database.close()


def test_an_upgrade_of_the_newest_version_changes_nothing(database: Database) -> None:
    with database.write() as session:
        session.execute(text("UPDATE change_counter SET version = 7"))
    Schema(database).upgrade()
    with database.read() as session:
        assert current_version(session) == 7


def test_a_table_that_is_not_as_declared_is_found(database: Database) -> None:
    Schema(database).check()
    with database.write() as session:
        session.execute(text("ALTER TABLE users ADD COLUMN shoe_size integer"))
    with pytest.raises(Conflict, match="db upgrade"):
        Schema(database).check()


def test_an_index_that_is_missing_is_found(database: Database) -> None:
    with database.write() as session:
        session.execute(text("DROP INDEX ix_ledger_booked_at"))
    with pytest.raises(Conflict):
        Schema(database).check()


def test_processes_that_upgrade_at_once_all_find_it_done(empty_url: str) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(migrate, empty_url) for _ in range(2)]:
            done.result(90)
    database = Database(empty_url)
    assert Schema(database).current() == Schema(database).newest()
    Schema(database).check()
    database.close()


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\x00" + b"\xff" * 4080])
def test_a_damaged_file_is_named_in_one_sentence_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "test.db"
    path.write_bytes(content)
    assert "put a backup in its place" in _refusal(f"sqlite:///{path}")
    assert path.read_bytes() == content


def test_a_file_that_is_damaged_behind_its_first_page_is_named(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    migrate(f"sqlite:///{path}")
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xab" * (len(whole) - 4096))
    assert "is damaged" in _refusal(f"sqlite:///{path}")


def test_an_empty_file_is_an_empty_database(tmp_path: Path) -> None:
    path = tmp_path / "test.db"
    path.touch()
    migrate(f"sqlite:///{path}")
    database = Database(f"sqlite:///{path}")
    assert tables(database) == set(Base.metadata.tables)
    database.close()


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    assert "cannot be written" in _refusal(f"sqlite:///{tmp_path}")


def test_a_file_in_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "cannot be written" in _refusal(f"sqlite:///{tmp_path}/gone/test.db")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    # Opened read-only, since root may write to any file whatever its mode.
    path = tmp_path / "test.db"
    migrate(f"sqlite:///{path}")
    migrated = Database(f"sqlite:///{path}")
    Schema(migrated).downgrade("base")
    migrated.close()
    assert "cannot be written" in _refusal(f"sqlite:///file:{path}?mode=ro&uri=true")


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    message = _refusal("postgresql://me:s3cret@127.0.0.1:1/tollhouse")
    assert "cannot be used" in message
    assert "s3cret" not in message


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/name", "nosuch+driver://host", "sqlite+nosuch:///x"])
def test_a_url_of_no_database_is_refused_by_the_name_of_its_setting(url: str) -> None:
    with pytest.raises(InvalidSetting, match="TOLLHOUSE_DATABASE_URL"):
        Database(url)


def _refusal(url: str) -> str:
    database = Database(url)
    with pytest.raises(TollhouseError) as raised:
        Schema(database).upgrade()
    database.close()
    message = raised.value.message
    assert "\n" not in message
    assert message.endswith(".")
    return message


def test_who_was_an_administrator_before_there_were_roles_owns_the_organisation(empty_url: str) -> None:
    database = Database(empty_url)
    schema = Schema(database)
    schema.upgrade()
    schema.downgrade("0002")
    now = datetime.now(UTC)
    user = {"id": "usr_01", "email": "me@example.com", "hash": "x", "now": now.replace(tzinfo=None).isoformat(" ")}
    with database.write() as session:
        session.execute(
            text(
                "INSERT INTO users (id, email, password_hash, role, created_at) "
                "VALUES (:id, :email, :hash, 'admin', :now)"
            ),
            user,
        )
    schema.upgrade()
    with database.read() as session:
        found = session.execute(text("SELECT user_id, team_id, role FROM memberships")).one()
    assert tuple(found) == ("usr_01", None, "owner")
    schema.downgrade("0002")
    with database.read() as session:
        assert session.execute(text("SELECT role FROM users")).scalar_one() == "admin"
    schema.upgrade()
    schema.check()
    database.close()


def test_days_that_were_rolled_up_before_end_users_were_known_are_of_nobody_named(empty_url: str) -> None:
    database = Database(empty_url)
    schema = Schema(database)
    schema.upgrade()
    schema.downgrade("0008")
    row = (
        "INSERT INTO daily_usage (day, key_id, team_id, user_id, model, provider, tags, requests, input_tokens, "
        "cache_read_tokens, cache_write_tokens, output_tokens, cost, unpriced) "
        "VALUES ('2026-03-01', :key, :team, '', 'm', 'p', '', 1, 2, 3, 4, 5, 6, 7)"
    )
    with database.write() as session:
        for key, team in (("key_1", "team_a"), ("key_2", "team_a"), ("key_3", "team_b")):
            session.execute(text(row), {"key": key, "team": team})
    schema.upgrade("0024")  # the next rolls all up anew
    with database.read() as session:
        found = session.execute(
            text("SELECT team_id, end_user, requests, output_tokens, cost FROM daily_end_user_usage ORDER BY team_id")
        ).all()
    assert [tuple(one) for one in found] == [("team_a", "", 2, 10, 12), ("team_b", "", 1, 5, 6)]
    database.close()
