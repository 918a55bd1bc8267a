"""identities at issuers"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "identities",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("issuer", sa.String(length=500), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_identities_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_identities"),
    )
    op.create_index("uq_identities_subject", "identities", ["issuer", "subject"], unique=True)
    op.create_index("ix_identities_user_id", "identities", ["user_id"])
    op.create_table(
        "spent_states",
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("state", name="pk_spent_states"),
    )
    op.create_index("ix_spent_states_expires_at", "spent_states", ["expires_at"])
    op.add_column("memberships", sa.Column("from_issuer", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("memberships", "from_issuer")
    op.drop_table("spent_states")
    op.drop_table("identities")
