"""usage by hour, failed calls, and days whose rows are in the archive

What was rolled up is forgotten, and rolled up again from the ledger, which has all of it, by the next run of the job.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

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
_ROLLED = ("daily_usage", "daily_end_user_usage")


def upgrade() -> None:
    for name in ("rolled_days", *_ROLLED):
        op.execute(sa.delete(sa.table(name)))
    for name in _ROLLED:
        op.add_column(name, sa.Column("failed", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "hourly_usage",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("team_id", sa.String(length=40), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("provider", sa.String(length=100), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _SUMS),
        sa.PrimaryKeyConstraint("hour", "team_id", "model", "provider", name=op.f("pk_hourly_usage")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "archived_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("file", sa.String(length=100), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_archived_days")),
    )


def downgrade() -> None:
    op.drop_table("archived_days")
    op.drop_table("hourly_usage")
    for name in _ROLLED:
        with op.batch_alter_table(name) as table:
            table.drop_column("failed")
