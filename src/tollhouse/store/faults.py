"""What an error of the database means for whoever met it. The ledger meets those of the drivers themselves."""

import sqlite3

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError, StatementError

_CONTENTION = {"40P01", "40001", "55P03"}
"""Of PostgreSQL: deadlock, serialization failure, lock not available."""
_REFUSALS = ("22", "23")
"""Classes of PostgreSQL's: data exceptions, integrity."""
_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}


def is_contention(error: Exception) -> bool:
    """Somebody else had the lock: the same group may succeed in a moment."""
    origin = _origin(error)
    if isinstance(origin, sqlite3.Error):
        return _code(origin) == sqlite3.SQLITE_BUSY
    return getattr(origin, "sqlstate", None) in _CONTENTION


def locks_all(error: Exception) -> bool:
    """SQLite has one lock: who cannot get it can write nothing at all."""
    return isinstance(_origin(error), sqlite3.Error)


def is_refusal(error: Exception) -> bool:
    """The database takes one of the values of the group never, however often it is asked.

    All else is taken for an outage: away, full, hung, read-only, in the middle of a migration.
    """
    if isinstance(error, (OverflowError, TypeError, ValueError, IntegrityError, DataError)):
        return True
    if isinstance(error, (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)):
        return True
    return (getattr(error, "sqlstate", None) or "").startswith(_REFUSALS) or type(error) is StatementError


def is_outage(error: Exception) -> bool:
    """The database cannot be reached or cannot be used just now; what is wrong for good is something else."""
    origin = _origin(error)
    if isinstance(origin, sqlite3.Error):
        return _code(origin) in _PASSING
    return isinstance(error, (OperationalError, InterfaceError))


def _origin(error: Exception) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
