"""reports that schedules send"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.create_table(
        "report_deliveries",
        *(sa.Column(name, sa.String(length=40), nullable=False) for name in ("id", "team_id", "user_id")),
        sa.Column("work", sa.JSON(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sending", sa.String(length=8), nullable=True),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in ("mailed", "posted")),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_deliveries")),
    )
    op.create_index("ix_report_deliveries_due", "report_deliveries", ["state", "due_at"])
    op.create_index("ix_report_deliveries_team", "report_deliveries", ["team_id", "id"])


def downgrade() -> None:
    # The older version knows no schedules of reports.
    op.execute("DELETE FROM schedule_runs WHERE schedule_id IN (SELECT id FROM schedules WHERE kind = 'report')")
    op.execute("DELETE FROM schedules WHERE kind = 'report'")
    op.drop_table("report_deliveries")
