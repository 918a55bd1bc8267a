import errno
import sqlite3
from pathlib import Path

import click
import pytest
from sqlalchemy.exc import OperationalError

from tollhouse.cli.errors import Failure, in_one_sentence
from tollhouse.domain.errors import Conflict, InvalidField, InvalidSetting, NotFound, TollhouseError, Unavailable


def raised(error: BaseException) -> click.ClickException:
    with pytest.raises(click.ClickException) as caught, in_one_sentence():
        raise error
    return caught.value


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOLLHOUSE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("kind", "exit_code"), [(InvalidField, 2), (InvalidSetting, 2), (NotFound, 1), (Conflict, 1), (Unavailable, 1)]
)
def test_what_was_given_wrong_is_told_apart_from_work_that_failed(kind: type[TollhouseError], exit_code: int) -> None:
    failure = raised(kind("What to do."))
    assert (failure.message, failure.exit_code) == ("What to do.", exit_code)


class Sqlstate(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__("said by the server")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("cause", "advice"),
    [
        (sqlite3.OperationalError("no such table: api_keys"), "tollhouse db upgrade"),
        (sqlite3.OperationalError("no such column: budgets.more"), "tollhouse db upgrade"),
        (Sqlstate("42P01"), "tollhouse db upgrade"),
        (sqlite3.OperationalError("database is locked"), "try again"),
        (Sqlstate("55P03"), "try again"),
        (sqlite3.DatabaseError("file is not a database"), "backup"),
        (sqlite3.DatabaseError("database disk image is malformed"), "backup"),
        (sqlite3.OperationalError("database or disk is full"), "make room"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "permissions"),
        (Sqlstate("28P01"), "TOLLHOUSE_DATABASE_URL"),
        (OSError("connection refused\nsecond line"), "start it"),
    ],
)
def test_what_a_database_says_becomes_advice(cause: Exception, advice: str) -> None:
    failure = raised(OperationalError("SELECT 1", {}, cause))
    assert advice in failure.message
    assert "\n" not in failure.message
    assert "SELECT" not in failure.message
    assert failure.exit_code == 1


def test_what_sqlite_says_past_sqlalchemy_becomes_advice_too() -> None:
    assert "try again" in raised(sqlite3.OperationalError("database is locked")).message


def test_a_full_disk_says_to_make_room(tmp_path: Path) -> None:
    failure = raised(OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "x")))
    assert "make room" in failure.message


def test_output_that_cannot_be_written_is_not_blamed_on_the_home() -> None:
    failure = raised(OSError(errno.ENOSPC, "No space left on device"))
    assert failure.message == "The output cannot be written (No space left on device): send it somewhere else."


def test_a_closed_pipe_passes() -> None:
    with pytest.raises(BrokenPipeError), in_one_sentence():
        raise BrokenPipeError


def test_ctrl_c_ends_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(click.exceptions.Exit) as caught, in_one_sentence():
        raise KeyboardInterrupt
    assert caught.value.exit_code == 130
    assert capsys.readouterr().out == ""


def test_a_defect_is_a_sentence_too() -> None:
    failure = raised(ZeroDivisionError("division by zero"))
    assert isinstance(failure, Failure)
    assert "ZeroDivisionError: division by zero" in failure.message
    assert "report" in failure.message


def test_a_message_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in raised(NotFound("There is no \x1b[2J.")).message
