"""What a database error means for the group that met it."""

import sqlite3

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

_CONTENTION = {"40P01", "40001", "55P03"}  # deadlock, serialization failure, lock not available


def is_contention(error: Exception) -> bool:
    """Somebody else had the lock: the same group may succeed in a moment."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(origin, sqlite3.Error):
        return getattr(origin, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
    return getattr(origin, "sqlstate", None) in _CONTENTION


def is_refusal(error: Exception) -> bool:
    """The database takes one of the values of the group never, however often it is asked.

    All else is taken for an outage: away, full, hung, read-only, in the middle of a migration.
    """
    return isinstance(error, (IntegrityError, DataError, OverflowError, TypeError, ValueError)) or (
        type(error) is StatementError
    )
