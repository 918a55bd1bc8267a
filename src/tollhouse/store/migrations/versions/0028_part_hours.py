"""usage by the first minutes of hours in which days of some zones begin

What was rolled up and is not archived is forgotten, and rolled up again from the ledger by the next run of the job.
"""

from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"

_SUMS = (
    "requests",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "cost",
    "unpriced",
    "cached",
    "saved",
    "failed",
)
_KEY = ("hour", "minutes", "team_id", "model", "provider")
_DAILY = ("rolled_days", "daily_usage", "daily_end_user_usage")
_BEGINNING = date(1970, 1, 1)


def upgrade() -> None:
    op.create_table(
        "part_hour_usage",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("team_id", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("provider", sa.String(length=100), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _SUMS),
        sa.PrimaryKeyConstraint(*_KEY, name=op.f("pk_part_hour_usage")),
        sqlite_with_rowid=False,
    )
    op.add_column("rolled_days", sa.Column("parts", sa.Boolean(), nullable=False, server_default=sa.false()))
    archived = sa.table("archived_days", sa.column("day", sa.Date()))
    last = op.get_bind().scalar(sa.select(sa.func.max(archived.c.day)))
    first = _BEGINNING if last is None else last + timedelta(days=1)
    for name in _DAILY:
        table = sa.table(name, sa.column("day", sa.Date()))
        op.execute(sa.delete(table).where(table.c.day >= first))
    hourly = sa.table("hourly_usage", sa.column("hour", sa.DateTime(timezone=True)))
    op.execute(sa.delete(hourly).where(hourly.c.hour >= datetime.combine(first, time(), UTC)))


def downgrade() -> None:
    with op.batch_alter_table("rolled_days") as table:
        table.drop_column("parts")
    op.drop_table("part_hour_usage")
