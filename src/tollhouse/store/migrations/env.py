"""Runs migrations on the engine that Flask-Migrate was given, one process at a time."""

from typing import Any, Literal

from alembic import context
from flask import current_app
from sqlalchemy import text

from tollhouse.store.columns import Instant

MIGRATION_LOCK = 7_083_002
"""PostgreSQL advisory lock: many hosts may start at once, one migrates. SQLite's own write lock does the same."""


def write_type(kind: str, column_type: Any, _context: object) -> str | Literal[False]:
    """Migrations name the database's types, not ours, which may change under them."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(column_type, Instant) else False


migrate = current_app.extensions["migrate"]

# One transaction around all: Alembic by itself ends one after each migration on SQLite, and whoever waits for its write
# lock would make the next one as well.
with migrate.db.engine.connect().execution_options(begin="IMMEDIATE") as connection, connection.begin():
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
    context.configure(
        connection=connection,
        target_metadata=migrate.db.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        render_item=write_type,
    )
    context.run_migrations()
