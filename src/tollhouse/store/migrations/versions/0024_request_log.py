"""what was asked and answered, where a team keeps it; and what the callers of failed calls were told"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.add_column("teams", sa.Column("payload_days", sa.Integer(), nullable=True))
    op.create_table(
        "payloads",
        sa.Column("request_id", sa.String(length=40), nullable=False),
        sa.Column("team_id", sa.String(length=40), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data_key", sa.String(length=300), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_payloads_team_id")),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_payloads")),
    )
    op.create_index("ix_payloads_team", "payloads", ["team_id", "kept_at"])
    op.create_table(
        "failed_requests",
        sa.Column("request_id", sa.String(length=40), nullable=False),
        sa.Column("team_id", sa.String(length=40), nullable=False),
        sa.Column("key_id", sa.String(length=40), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("message", sa.String(length=1000), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_failed_requests")),
    )
    op.create_index("ix_failed_requests_failed_at", "failed_requests", ["failed_at"])


def downgrade() -> None:
    op.drop_index("ix_failed_requests_failed_at", table_name="failed_requests")
    op.drop_table("failed_requests")
    op.drop_index("ix_payloads_team", table_name="payloads")
    op.drop_table("payloads")
    with op.batch_alter_table("teams") as table:
        table.drop_column("payload_days")
