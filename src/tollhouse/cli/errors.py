"""The one place where what went wrong becomes a sentence on standard error and an exit code."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import click

from tollhouse.cli.text import harmless, printable
from tollhouse.domain.errors import InvalidField, InvalidSetting, TollhouseError
from tollhouse.settings import load

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130

_NO_TABLES = ("no such table", "no such column", "42P01", "42703")
_SENTENCES = (
    (_NO_TABLES, "The tables of the database are not those of this version: run `tollhouse db upgrade`."),
    (
        ("is locked", "is busy", "55P03"),
        "The database is locked by another program for too long: try again, or end that one.",
    ),
    (
        ("not a database", "malformed"),
        "The database is damaged: put a backup in its place, or move the file away to start anew.",
    ),
    (("is full", "53100"), "The disk of the database is full: make room, then try again."),
    (
        ("readonly", "unable to open", "25006"),
        "The database cannot be opened for writing: check the permissions of the home, or set TOLLHOUSE_HOME to "
        "another folder.",
    ),
    (
        ("28P01", "28000", "password authentication failed"),
        "The database refuses the user or password: check TOLLHOUSE_DATABASE_URL.",
    ),
)
"""By what the driver says: parts of SQLite's messages, and PostgreSQL's SQLSTATEs."""


class Failure(click.ClickException):
    """A sentence, with the exit code of work that failed."""

    exit_code = FAILED

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class WrongUsage(Failure):
    """What was given cannot be right."""

    exit_code = WRONG_USAGE


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """Turn whatever the block raises into a Failure; click's own errors and a closed pipe pass."""
    try:
        yield
    except click.ClickException as error:
        # Final to click, which takes its words from what was typed.
        error.message = harmless(error.message)  # type: ignore[misc]
        raise
    except (click.exceptions.Exit, BrokenPipeError):
        raise
    except (KeyboardInterrupt, click.Abort):
        click.echo(err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    except TollhouseError as error:
        kind = WrongUsage if isinstance(error, (InvalidField, InvalidSetting)) else Failure
        raise kind(error.message) from error
    except OSError as error:
        raise Failure(_explain(error)) from error
    except Exception as error:
        raise Failure(_database_sentence(error) or _defect(error)) from error


def _explain(error: OSError) -> str:
    if error.filename is None and error.errno in (errno.ENOSPC, errno.EIO, errno.EBADF):
        return f"The output cannot be written ({error.strerror}): send it somewhere else."
    from tollhouse.up.preflight import explain

    return explain(error, load().home).message


def _database_sentence(error: Exception) -> str | None:
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    if not isinstance(error, (SQLAlchemyError, sqlite3.Error)):
        return None
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    said = f"{getattr(cause, 'sqlstate', None) or ''} {cause}"
    for signs, sentence in _SENTENCES:
        if any(sign in said for sign in signs):
            return sentence
    first_line = str(cause).strip().partition("\n")[0]
    return f"The database cannot be used ({first_line}): start it, or check TOLLHOUSE_DATABASE_URL."


def _defect(error: Exception) -> str:
    return (
        f"This is a defect of Tollhouse ({type(error).__name__}: {error}): please report it, with the output of "
        "`tollhouse doctor`."
    )
