"""lines of batches that are handed over to their provider's own batch interface"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.create_table(
        "handovers",
        *(sa.Column(name, sa.String(length=40), nullable=False) for name in ("id", "batch_id")),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("host_id", sa.String(length=40), nullable=False),
        sa.Column("host_key_id", sa.String(length=40), nullable=True),
        sa.Column("provider", sa.String(length=100), nullable=False),
        sa.Column("interface", sa.String(length=20), nullable=False),
        sa.Column("terms", sa.JSON(), nullable=False),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in ("capped", "short")),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.String(length=200), nullable=True) for name in ("file_id", "provider_batch_id")),
        sa.Column("provider_status", sa.String(length=40), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=True),
        sa.Column("strangers", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        *(
            sa.Column(f"{name}_at", sa.DateTime(timezone=True), nullable=True)
            for name in ("sending", "sent", "cancelled", "ended")
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("sends", "looks", "failures", "reads")),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handovers")),
    )
    op.create_index("ix_handovers_batch", "handovers", ["batch_id", "id"])
    op.add_column("batch_lines", sa.Column("handover_id", sa.String(length=40), nullable=True))
    op.add_column("batches", sa.Column("provider_batch", sa.String(length=10), nullable=True))
    op.add_column("batches", sa.Column("handover", sa.String(length=10), nullable=True))
    op.add_column("batches", sa.Column("handed_to", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("batches", sa.Column("handed", sa.JSON(), nullable=True))


def downgrade() -> None:
    # What is at a provider is called here: the older version knows of no other place.
    op.execute("UPDATE batch_lines SET state = 0, handover_id = NULL WHERE state = 3")
    for column in ("handed", "handed_to", "handover", "provider_batch"):
        op.drop_column("batches", column)
    op.drop_column("batch_lines", "handover_id")
    op.drop_table("handovers")
