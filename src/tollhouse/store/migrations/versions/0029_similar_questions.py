"""replies to similar questions: by which model's vectors, and how similar they must be"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    with op.batch_alter_table("models") as table:
        table.add_column(sa.Column("cache_embedding_model", sa.String(length=200), nullable=True))
        table.add_column(sa.Column("cache_similarity", sa.Double(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("models") as table:
        table.drop_column("cache_similarity")
        table.drop_column("cache_embedding_model")
