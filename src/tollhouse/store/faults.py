"""What an error of the database means for whoever met it."""

import sqlite3

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError, StatementError

_CONTENTION = {"40P01", "40001", "55P03"}  # deadlock, serialization failure, lock not available

_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}


def is_contention(error: Exception) -> bool:
    """Somebody else had the lock: the same group may succeed in a moment."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(origin, sqlite3.Error):
        return getattr(origin, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
    return getattr(origin, "sqlstate", None) in _CONTENTION


def locks_all(error: Exception) -> bool:
    """SQLite has one lock: who cannot get it can write nothing at all."""
    return isinstance(error.orig if isinstance(error, DBAPIError) else error, sqlite3.Error)


def is_refusal(error: Exception) -> bool:
    """The database takes one of the values of the group never, however often it is asked.

    All else is taken for an outage: away, full, hung, read-only, in the middle of a migration.
    """
    return isinstance(error, (IntegrityError, DataError, OverflowError, TypeError, ValueError)) or (
        type(error) is StatementError
    )


def is_outage(error: Exception) -> bool:
    """The database cannot be reached or cannot be used just now; what is wrong for good is something else."""
    if not isinstance(error, DBAPIError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _PASSING
    return isinstance(error, (OperationalError, InterfaceError))
