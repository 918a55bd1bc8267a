"""What a database error means for the group that met it."""

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

_CONTENTION = {"40P01", "40001", "55P03"}  # deadlock, serialization failure, lock not available


def is_contention(error: Exception) -> bool:
    """Somebody else had the lock: the same group may succeed in a moment."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(origin, sqlite3.Error):
        return getattr(origin, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
    return getattr(origin, "sqlstate", None) in _CONTENTION


def is_outage(error: Exception) -> bool:
    """The database is away, full or hung: nothing of the group can be blamed for it."""
    return isinstance(error, (OperationalError, InterfaceError, sqlite3.OperationalError)) and not is_contention(error)
