"""units"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    with op.batch_alter_table("ledger", schema=None) as batch_op:
        batch_op.add_column(sa.Column("units", sa.BigInteger(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("unit_price", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("models", schema=None) as batch_op:
        batch_op.add_column(sa.Column("unit_price", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("models", schema=None) as batch_op:
        batch_op.drop_column("unit_price")
    with op.batch_alter_table("ledger", schema=None) as batch_op:
        batch_op.drop_column("unit_price")
        batch_op.drop_column("units")
