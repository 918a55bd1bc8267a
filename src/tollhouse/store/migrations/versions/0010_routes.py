"""routes and deployments"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "routes",
        sa.Column("model_id", sa.String(length=40), nullable=False),
        sa.Column("strategy", sa.String(length=20), nullable=False),
        sa.Column("sticky", sa.String(length=20), nullable=True),
        sa.Column("aliases", sa.JSON(), nullable=False),
        sa.Column("context_fallbacks", sa.JSON(), nullable=False),
        sa.Column("refusal_fallbacks", sa.JSON(), nullable=False),
        sa.Column("connect_seconds", sa.Float(), nullable=True),
        sa.Column("first_byte_seconds", sa.Float(), nullable=True),
        sa.Column("idle_seconds", sa.Float(), nullable=True),
        sa.Column("total_seconds", sa.Float(), nullable=True),
        *_terms(),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_routes_model_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", name=op.f("pk_routes")),
    )
    op.create_table(
        "deployments",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("model_id", sa.String(length=40), nullable=False),
        sa.Column("provider_id", sa.String(length=40), nullable=False),
        sa.Column("upstream_model", sa.String(length=200), nullable=False),
        sa.Column("input_price", sa.BigInteger(), nullable=True),
        sa.Column("output_price", sa.BigInteger(), nullable=True),
        sa.Column("context_window", sa.Integer(), nullable=True),
        sa.Column("max_output", sa.Integer(), nullable=True),
        *_terms(),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_deployments_model_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["provider_id"], ["providers.id"], name=op.f("fk_deployments_provider_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployments")),
    )
    for column in ("model_id", "provider_id"):
        op.create_index(op.f(f"ix_deployments_{column}"), "deployments", [column])


def downgrade() -> None:
    op.drop_table("deployments")
    op.drop_table("routes")


def _terms() -> list[sa.Column[object]]:
    """Of a deployment, be it the model's own or another."""
    return [
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("lacks", sa.JSON(), nullable=False),
        sa.Column("rpm", sa.BigInteger(), nullable=True),
        sa.Column("tpm", sa.BigInteger(), nullable=True),
        sa.Column("concurrency", sa.BigInteger(), nullable=True),
    ]
