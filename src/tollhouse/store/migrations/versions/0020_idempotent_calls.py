"""replies of models that are given again to who asks with the same idempotency key"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("idempotency_records", sa.Column("body", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    # What has its body there cannot be given again without it.
    op.execute("DELETE FROM idempotency_records WHERE body IS NOT NULL")
    op.drop_column("idempotency_records", "body")
