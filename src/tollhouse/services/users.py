"""People."""

import secrets
from dataclasses import dataclass

from argon2 import PasswordHasher
from sqlalchemy import select

from tollhouse.domain.errors import InvalidField
from tollhouse.domain.identifiers import new_id
from tollhouse.store.database import Database
from tollhouse.store.records import UserRecord

SHORTEST_PASSWORD = 12


@dataclass(frozen=True, slots=True)
class NewAdmin:
    """The first administrator. `password` is there when it was made up here: shown once, kept nowhere."""

    email: str
    password: str | None


class Users:
    """People sign in with their e-mail address and a password, kept as argon2id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ensure_admin(self, email: str, password: str) -> NewAdmin | None:
        """Make the first administrator; None when there is a user already. An empty password is made up."""
        if password and len(password) < SHORTEST_PASSWORD:
            raise InvalidField(
                f"TOLLHOUSE_ADMIN_PASSWORD must have {SHORTEST_PASSWORD} characters or more.",
                param="TOLLHOUSE_ADMIN_PASSWORD",
            )
        if "@" not in email or len(email) > 320:
            raise InvalidField("TOLLHOUSE_ADMIN_EMAIL must be an e-mail address.", param="TOLLHOUSE_ADMIN_EMAIL")
        with self._database.read() as session:
            if session.scalar(select(UserRecord.id).limit(1)):
                return None
        email = email.strip().lower()
        made_up = None if password else secrets.token_urlsafe(18)
        digest = PasswordHasher().hash(password or made_up or "")
        with self._database.write() as session:
            if session.scalar(select(UserRecord.id).limit(1)):
                return None
            session.add(
                UserRecord(
                    id=new_id("usr"),
                    email=email,
                    password_hash=digest,
                    role="admin",
                    created_at=self._database.now(session),
                )
            )
        return NewAdmin(email, made_up)

    def first_admin(self) -> str | None:
        """The e-mail address of the first administrator."""
        with self._database.read() as session:
            return session.scalar(select(UserRecord.email).order_by(UserRecord.id).limit(1))
