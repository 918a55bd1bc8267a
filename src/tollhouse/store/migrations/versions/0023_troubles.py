"""what operators are told of; and the trace that a batch was asked for in"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.create_table(
        "troubles",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column("text", sa.String(length=1000), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_troubles")),
    )
    op.create_index("ix_troubles_resolved_at", "troubles", ["resolved_at"])
    op.create_table(
        "trouble_deliveries",
        sa.Column("trouble_id", sa.String(length=40), nullable=False),
        sa.Column("resolved", sa.Boolean(), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("trouble_id", "resolved", "channel", name=op.f("pk_trouble_deliveries")),
    )
    op.create_index("ix_trouble_deliveries_due", "trouble_deliveries", ["ended_at", "due_at"])
    op.create_table(
        "probes",
        sa.Column("provider", sa.String(length=100), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("refused", sa.Boolean(), nullable=False),
        sa.Column("problem", sa.String(length=500), nullable=True),
        sa.Column("probed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_probes")),
    )
    op.add_column("batches", sa.Column("trace", sa.String(length=100), nullable=True))


def downgrade() -> None:
    op.drop_column("batches", "trace")
    op.drop_table("probes")
    op.drop_index("ix_trouble_deliveries_due", table_name="trouble_deliveries")
    op.drop_table("trouble_deliveries")
    op.drop_index("ix_troubles_resolved_at", table_name="troubles")
    op.drop_table("troubles")
