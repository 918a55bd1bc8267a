"""replies that are given again: for how long, and what they saved"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_SUMS = ("cached", "saved")


def upgrade() -> None:
    with op.batch_alter_table("models") as table:
        table.add_column(sa.Column("cache_seconds", sa.Integer(), nullable=True))
    op.add_column("ledger", sa.Column("saved", sa.BigInteger(), nullable=True))
    for name in ("daily_usage", "daily_end_user_usage"):
        for column in _SUMS:
            op.add_column(name, sa.Column(column, sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    for name in ("daily_end_user_usage", "daily_usage"):
        with op.batch_alter_table(name) as table:
            for column in _SUMS:
                table.drop_column(column)
    with op.batch_alter_table("ledger") as table:
        table.drop_column("saved")
    with op.batch_alter_table("models") as table:
        table.drop_column("cache_seconds")
