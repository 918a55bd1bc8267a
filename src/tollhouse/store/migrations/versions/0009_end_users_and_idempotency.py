"""whom calls are made for; calls of a team in order; requests that are done once"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_SUMS = (
    "requests",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "cost",
    "unpriced",
)


def upgrade() -> None:
    for table in ("holds", "ledger"):
        op.add_column(table, sa.Column("end_user", sa.String(256), nullable=True))
    op.create_index("ix_ledger_team", "ledger", ["team_id", "booked_at"])
    op.create_table(
        "daily_end_user_usage",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("team_id", sa.String(40), nullable=False),
        sa.Column("end_user", sa.String(256), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _SUMS),
        sa.PrimaryKeyConstraint("day", "team_id", "end_user", name=op.f("pk_daily_end_user_usage")),
    )
    # Days that are rolled up already have calls of nobody's alone.
    sums = ", ".join(f"sum({name})" for name in _SUMS)
    op.execute(
        f"INSERT INTO daily_end_user_usage (day, team_id, end_user, {', '.join(_SUMS)}) "  # noqa: S608 - our own names
        f"SELECT day, team_id, '', {sums} FROM daily_usage GROUP BY day, team_id"
    )

    op.create_table(
        "idempotency_records",
        sa.Column("owner_id", sa.String(40), nullable=False),
        sa.Column("key_digest", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("attempt", sa.String(40), nullable=False),
        sa.Column("taken_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("owner_id", "key_digest", name=op.f("pk_idempotency_records")),
    )
    op.create_index("ix_idempotency_records_expires_at", "idempotency_records", ["expires_at"])


def downgrade() -> None:
    op.drop_table("idempotency_records")
    op.drop_table("daily_end_user_usage")
    op.drop_index("ix_ledger_team", "ledger")
    for table in ("ledger", "holds"):
        op.drop_column(table, "end_user")
