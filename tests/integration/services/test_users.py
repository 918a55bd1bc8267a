"""The first administrator."""

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from tollhouse.domain.errors import InvalidField
from tollhouse.services.people.users import SHORTEST_PASSWORD, NewAdmin, Users
from tollhouse.store.database import Database
from tollhouse.store.records import MembershipRecord, UserRecord

PASSWORD = "a password for tests"


@pytest.fixture
def users(database: Database) -> Users:
    return Users(database)


def test_the_first_administrator_is_made_once(users: Users, database: Database) -> None:
    assert users.first_admin() is None
    assert users.ensure_admin(" Me@Example.com", PASSWORD) == NewAdmin("me@example.com", None)
    assert users.ensure_admin("other@example.com", PASSWORD) is None
    assert users.first_admin() == "me@example.com"
    with database.read() as session:
        row = session.scalars(select(UserRecord)).one()
        roles = session.scalars(select(MembershipRecord)).all()
    assert [(role.user_id, role.team_id, role.role) for role in roles] == [(row.id, None, "owner")]
    assert row.password_hash.startswith("$argon2id$")
    assert PasswordHasher().verify(row.password_hash, PASSWORD)


def test_a_password_is_made_up_where_none_is_given(users: Users, database: Database) -> None:
    made = users.ensure_admin("me@example.com", "")
    assert made is not None
    assert made.password is not None
    assert len(made.password) >= SHORTEST_PASSWORD
    with database.read() as session:
        row = session.scalars(select(UserRecord)).one()
    assert PasswordHasher().verify(row.password_hash, made.password)


def test_what_cannot_sign_in_is_not_made(users: Users) -> None:
    for email, password, param in (
        ("me@example.com", "x" * (SHORTEST_PASSWORD - 1), "TOLLHOUSE_ADMIN_PASSWORD"),
        ("nobody", PASSWORD, "TOLLHOUSE_ADMIN_EMAIL"),
        ("@" * 321, PASSWORD, "TOLLHOUSE_ADMIN_EMAIL"),
    ):
        with pytest.raises(InvalidField) as raised:
            users.ensure_admin(email, password)
        assert raised.value.param == param
    assert users.first_admin() is None
