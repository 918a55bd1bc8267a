"""Questions that may read much of a large table: they hold up no loop, and end by themselves."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tollhouse.domain.errors import SearchTooLong
from tollhouse.domain.ports import Outside, at_once
from tollhouse.store.database import Database

_CANCELLED = "57014"
"""PostgreSQL's code of a statement that ran out of time."""
_STEPS = 10_000
"""Of SQLite's machine, between two looks at the clock: under a millisecond."""

_T = TypeVar("_T")


class Searches:
    """Each has a connection of its own, so that it can be asked in any thread."""

    def __init__(self, database: Database, outside: Outside = at_once, seconds: int | None = None) -> None:
        """`outside` is where a question is asked; None of `seconds` gives it all the time it takes."""
        self._dialect = database.dialect
        self._engine = database.searching_engine()
        self._outside = outside
        self._seconds = seconds

    def ask(self, question: Callable[[Session], _T]) -> _T:
        """What the question finds. It makes values: no row is used after it. Raises SearchTooLong."""
        return self._outside(lambda: self._asked(question))

    def _asked(self, question: Callable[[Session], _T]) -> _T:
        try:
            with Session(self._engine, expire_on_commit=False) as session, self._limited(session):
                return question(session)
        except DBAPIError as error:
            if _was_ended(error):
                raise SearchTooLong(
                    f"This took longer than the {self._seconds} s that it may (TOLLHOUSE_SEARCH_SECONDS): ask about a "
                    "shorter time, or about one key or team."
                ) from None
            raise

    @contextmanager
    def _limited(self, session: Session) -> Iterator[None]:
        if self._seconds is None:
            yield
            return
        if self._dialect == "postgresql":
            session.execute(text(f"SET LOCAL statement_timeout = {self._seconds * 1000}"))
            yield
            return
        end = time.monotonic() + self._seconds
        connection = session.connection().connection.driver_connection
        if isinstance(connection, sqlite3.Connection):
            connection.set_progress_handler(lambda: int(time.monotonic() > end), _STEPS)
        yield


def _was_ended(error: DBAPIError) -> bool:
    origin = error.orig
    if isinstance(origin, sqlite3.Error):
        return getattr(origin, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT
    return getattr(origin, "sqlstate", None) == _CANCELLED
