"""secrets that rotate"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0015"


def upgrade() -> None:
    with op.batch_alter_table("server_secrets") as table:
        table.add_column(sa.Column("forgotten_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("key_seed", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("server_secrets") as table:
        table.drop_column("key_seed")
        table.drop_column("forgotten_at")
