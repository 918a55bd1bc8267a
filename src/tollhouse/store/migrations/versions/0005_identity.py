"""teams, roles, sessions of people, links, audit"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

DEFAULT_TEAM = "team_default"
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _make_teams()
    _make_sessions()
    _make_audit()
    # A column at a time, in place: no table is copied, and no row is touched.
    for table in ("api_keys", "budgets"):
        op.add_column(table, sa.Column("team_id", sa.String(length=40), nullable=False, server_default=DEFAULT_TEAM))
        op.create_index(f"ix_{table}_team_id", table, ["team_id"])
    op.add_column("api_keys", sa.Column("user_id", sa.String(length=40), nullable=True))
    for name in ("paths", "networks", "tags"):
        op.add_column("api_keys", sa.Column(name, sa.JSON(), nullable=True))
    op.add_column("api_keys", sa.Column("previous_digest", sa.String(length=64), nullable=True))
    op.add_column("api_keys", sa.Column("previous_until", _MOMENT, nullable=True))
    op.create_index("ix_api_keys_user_id", "api_keys", ["user_id"])
    op.create_index("ix_api_keys_previous_digest", "api_keys", ["previous_digest"])
    op.add_column("users", sa.Column("disabled_at", _MOMENT, nullable=True))
    op.add_column("users", sa.Column("void_before", _MOMENT, nullable=True))
    op.drop_column("users", "role")


def _make_teams() -> None:
    op.create_table(
        "teams",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("archived_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_teams"),
        sa.UniqueConstraint("name", name="uq_teams_name"),
    )
    teams = sa.table("teams", sa.column("id"), sa.column("name"), sa.column("created_at", _MOMENT))
    now = datetime.now(UTC)
    op.bulk_insert(teams, [{"id": DEFAULT_TEAM, "name": "default", "created_at": now}])
    op.create_table(
        "memberships",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("team_id", sa.String(length=40), nullable=True),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_memberships_user_id"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_memberships_team_id"),
        sa.PrimaryKeyConstraint("id", name="pk_memberships"),
    )
    op.create_index("uq_memberships_team", "memberships", ["user_id", "team_id"], unique=True)
    alone = sa.text("team_id IS NULL")
    op.create_index(
        "uq_memberships_organisation",
        "memberships",
        ["user_id"],
        unique=True,
        sqlite_where=alone,
        postgresql_where=alone,
    )
    op.create_index("ix_memberships_team_id", "memberships", ["team_id"])
    # Whoever was an administrator until now is an owner of the organisation.
    op.execute(
        "INSERT INTO memberships (id, user_id, team_id, role, created_at) "
        "SELECT 'mem_' || substr(id, 5), id, NULL, 'owner', created_at FROM users"
    )


def _make_sessions() -> None:
    op.create_table(
        "refresh_tokens",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("current", sa.String(length=40), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("renewed_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("ended_by", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_refresh_tokens_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_refresh_tokens"),
    )
    op.create_index("ix_refresh_tokens_user_id", "refresh_tokens", ["user_id"])
    op.create_index("ix_refresh_tokens_expires_at", "refresh_tokens", ["expires_at"])
    op.create_table(
        "links",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=True),
        sa.Column("team_id", sa.String(length=40), nullable=True),
        sa.Column("role", sa.String(length=20), nullable=True),
        sa.Column("made_by", sa.String(length=40), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("used_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_links_user_id"),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_links_team_id"),
        sa.PrimaryKeyConstraint("id", name="pk_links"),
    )
    op.create_index("ix_links_user_id", "links", ["user_id"])
    op.create_index("ix_links_expires_at", "links", ["expires_at"])
    op.create_table(
        "sign_in_attempts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sign_in_attempts"),
    )
    op.create_index("ix_sign_in_attempts_account", "sign_in_attempts", ["account", "at"])
    op.create_index("ix_sign_in_attempts_address", "sign_in_attempts", ["address", "at"])
    op.create_index("ix_sign_in_attempts_at", "sign_in_attempts", ["at"])


def _make_audit() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("actor_kind", sa.String(length=10), nullable=False),
        sa.Column("actor_id", sa.String(length=40), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject_id", sa.String(length=40), nullable=False),
        sa.Column("team_id", sa.String(length=40), nullable=True),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit_entries"),
    )
    op.create_index("ix_audit_entries_team", "audit_entries", ["team_id", "id"])
    op.create_index("ix_audit_entries_actor", "audit_entries", ["actor_id", "id"])
    op.create_index("ix_audit_entries_subject", "audit_entries", ["subject_id", "id"])
    op.create_index("ix_audit_entries_at", "audit_entries", ["at"])
    if op.get_bind().dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_entries_no_{event.lower()} BEFORE {event} ON audit_entries "
                "BEGIN SELECT RAISE(ABORT, 'audit entries stay as they are'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_entries_stay() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'audit entries stay as they are'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_entries_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_stay()"
    )


def downgrade() -> None:
    op.add_column("users", sa.Column("role", sa.String(length=20), nullable=False, server_default="admin"))
    op.drop_column("users", "void_before")
    op.drop_column("users", "disabled_at")
    op.drop_index("ix_api_keys_previous_digest", "api_keys")
    op.drop_index("ix_api_keys_user_id", "api_keys")
    for name in ("previous_until", "previous_digest", "tags", "networks", "paths", "user_id"):
        op.drop_column("api_keys", name)
    for table in ("budgets", "api_keys"):
        op.drop_index(f"ix_{table}_team_id", table)
        op.drop_column(table, "team_id")
    for table in ("audit_entries", "sign_in_attempts", "links", "refresh_tokens", "memberships", "teams"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_entries_stay()")
