"""priority of keys"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("priority", sa.String(length=20), nullable=False, server_default="interactive"))


def downgrade() -> None:
    op.drop_column("api_keys", "priority")
