"""scopes of budgets: team, user and tags of each call"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_SUMS = (
    "requests",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "cost",
    "unpriced",
)


def upgrade() -> None:
    for table in ("holds", "ledger"):
        # The defaults stay: processes of the version before write rows without these columns.
        op.add_column(table, sa.Column("team_id", sa.String(40), nullable=False, server_default="team_default"))
        op.add_column(table, sa.Column("user_id", sa.String(40), nullable=True))
        op.add_column(table, sa.Column("tags", sa.String(1100), nullable=False, server_default=""))
    _make_daily_usage(scoped=True)


def downgrade() -> None:
    _make_daily_usage(scoped=False)
    for table in ("ledger", "holds"):
        for column in ("tags", "user_id", "team_id"):
            op.drop_column(table, column)


def _make_daily_usage(*, scoped: bool) -> None:
    """Anew and empty: the scheduler adds all days up again from the ledger."""
    op.execute("DELETE FROM rolled_days")
    op.drop_table("daily_usage")
    names = ("key_id", "team_id", "user_id", "model", "provider", "tags") if scoped else ("key_id", "model", "provider")
    lengths = {"model": 200, "provider": 100, "tags": 1100}
    defaults = {"team_id": "team_default", "user_id": "", "tags": ""}
    op.create_table(
        "daily_usage",
        sa.Column("day", sa.Date(), nullable=False),
        *(
            sa.Column(name, sa.String(lengths.get(name, 40)), nullable=False, server_default=defaults.get(name))
            for name in names
        ),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _SUMS),
        sa.PrimaryKeyConstraint("day", *names, name=op.f("pk_daily_usage")),
    )
