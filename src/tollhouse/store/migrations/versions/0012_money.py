"""secrets that rotate, prices in steps, alerts that are sent"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    with op.batch_alter_table("server_secrets") as table:
        table.add_column(sa.Column("forgotten_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("key_seed", sa.Text(), nullable=True))
    op.create_table(
        "price_terms",
        sa.Column("model_id", sa.String(length=40), nullable=False),
        sa.Column("cached_input", sa.BigInteger(), nullable=True),
        sa.Column("cache_write", sa.BigInteger(), nullable=True),
        sa.Column("batch_discount", sa.Integer(), nullable=False),
        sa.Column("long_context", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_price_terms_model_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", name=op.f("pk_price_terms")),
    )
    op.create_table(
        "budget_alert_deliveries",
        sa.Column("window_id", sa.String(length=60), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("window_id", "percent", "channel", name=op.f("pk_budget_alert_deliveries")),
    )
    op.create_index("ix_budget_alert_deliveries_due", "budget_alert_deliveries", ["ended_at", "due_at"])


def downgrade() -> None:
    op.drop_index("ix_budget_alert_deliveries_due", "budget_alert_deliveries")
    op.drop_table("budget_alert_deliveries")
    op.drop_table("price_terms")
    with op.batch_alter_table("server_secrets") as table:
        table.drop_column("key_seed")
        table.drop_column("forgotten_at")
