"""The tables behind a connection, whatever its driver."""

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection

from tollhouse.domain.ports import Outside, at_once
from tollhouse.store.ledger.tables import Tables

if TYPE_CHECKING:
    import sqlite3

    import psycopg


def tables_of(connection: Connection, outside: Outside = at_once) -> Tables:
    """The tables behind this connection. `outside` runs what waits for the disk of SQLite."""
    driver = connection.connection.driver_connection
    # Each imports only its own driver: psycopg takes 60 ms, which SQLite's users need not pay.
    if connection.dialect.name == "sqlite":
        from tollhouse.store.ledger.sqlite_tables import SqliteTables

        return SqliteTables(cast("sqlite3.Connection", driver), outside)
    from tollhouse.store.ledger.postgresql_tables import PostgresqlTables

    return PostgresqlTables(cast("psycopg.Connection[Any]", driver))
