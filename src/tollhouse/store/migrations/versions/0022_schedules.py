"""schedules and their runs; when a response in the background ended"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.create_table(
        "schedules",
        *(sa.Column(name, sa.String(length=40), nullable=False) for name in ("id", "team_id", "key_id")),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("work", sa.JSON(), nullable=False),
        sa.Column("file_id", sa.String(length=40), nullable=True),
        sa.Column("cron", sa.String(length=200), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("missed", sa.String(length=8), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    op.create_index("ix_schedules_next_at", "schedules", ["next_at"])
    op.create_index("ix_schedules_team", "schedules", ["team_id", "id"])
    op.create_table(
        "schedule_runs",
        *(sa.Column(name, sa.String(length=40), nullable=False) for name in ("id", "schedule_id", "team_id")),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in ("due_at", "created_at")),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=True) for name in ("lease_until", "started_at")),
        sa.Column("work_id", sa.String(length=40), nullable=True),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule_runs")),
        sa.UniqueConstraint("schedule_id", "due_at", name=op.f("uq_schedule_runs_schedule_id")),
    )
    op.create_index("ix_schedule_runs_state", "schedule_runs", ["state"])
    op.create_index("ix_schedule_runs_team", "schedule_runs", ["team_id", "id"])
    op.add_column("background_responses", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    # Of those that have ended nobody knows when that was: not after their time was over.
    op.execute("UPDATE background_responses SET ended_at = expires_at WHERE state = 2")


def downgrade() -> None:
    op.drop_column("background_responses", "ended_at")
    for table in ("schedule_runs", "schedules"):
        op.drop_table(table)
