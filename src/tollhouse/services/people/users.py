"""People."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import Conflict, InvalidField, NotFound
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.page import Page, page_of
from tollhouse.domain.rights import Right, Role
from tollhouse.services.audit import note
from tollhouse.services.naming import LONGEST_EMAIL, check_email
from tollhouse.services.people.memberships import Roles, lock_roles, require_another_owner, roles_of, set_role
from tollhouse.services.people.passwords import SHORTEST_PASSWORD, Passwords, check_new_password, made_up
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import IdentityRecord, UserRecord

__all__ = ["SHORTEST_PASSWORD", "NewAdmin", "NewUser", "User", "Users"]


@dataclass(frozen=True, slots=True)
class NewAdmin:
    """The first administrator. `password` is there when it was made up here: shown once, kept nowhere."""

    email: str
    password: str | None


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can sign in, unless `disabled_at`."""

    id: str
    email: str
    role: Role | None
    teams: dict[str, Role]
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewUser:
    """`password` is there when it was made up here: shown once, kept nowhere."""

    user: User
    password: str | None


class Users:
    """People sign in with their e-mail address and a password. What changes is effective within a second."""

    def __init__(self, database: Database, passwords: Passwords | None = None) -> None:
        self._database = database
        self._passwords = passwords or Passwords()

    def ensure_admin(self, email: str, password: str) -> NewAdmin | None:
        """Make the first owner; None when there is a user already. An empty password is made up."""
        if password and len(password) < SHORTEST_PASSWORD:
            raise InvalidField(
                f"TOLLHOUSE_ADMIN_PASSWORD must have {SHORTEST_PASSWORD} characters or more.",
                param="TOLLHOUSE_ADMIN_PASSWORD",
            )
        if "@" not in email or len(email) > LONGEST_EMAIL:
            raise InvalidField("TOLLHOUSE_ADMIN_EMAIL must be an e-mail address.", param="TOLLHOUSE_ADMIN_EMAIL")
        with self._database.read() as session:
            if session.scalar(select(UserRecord.id).limit(1)):
                return None
        email = email.strip().lower()
        new = None if password else made_up()
        digest = self._passwords.hash(password or new or "")
        with self._database.write() as session:
            if self._database.dialect == "postgresql":
                session.execute(text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))
            if session.scalar(select(UserRecord.id).limit(1)):
                return None
            add_user(self._database, session, email, digest, Role.OWNER, None, SYSTEM)
        return NewAdmin(email, new)

    def first_admin(self) -> str | None:
        """The e-mail address of the first administrator."""
        with self._database.read() as session:
            return session.scalar(select(UserRecord.email).order_by(UserRecord.id).limit(1))

    def create(
        self,
        email: str,
        password: str = "",
        *,
        role: Role | None = None,
        team_id: str | None = None,
        by: Actor = SYSTEM,
    ) -> NewUser:
        """Somebody with a role in the team, or in the organisation. An empty password is made up.

        Raises InvalidField, Forbidden, Conflict where the address is taken.
        """
        by.require(Right.CHANGE_PEOPLE)
        email = check_email(email)
        new = None if password else made_up()
        digest = self._passwords.hash(check_new_password(password or new or "", email))
        with self._database.write() as session:
            row = add_user(self._database, session, email, digest, role, team_id, by)
            session.flush()
            return NewUser(_shown(row, roles_of(session, [row.id])[row.id]), new)

    def page(self, limit: int, after: str | None = None, *, email: str | None = None, by: Actor = SYSTEM) -> Page[User]:
        """People, oldest first."""
        by.require(Right.VIEW_PEOPLE)
        asked = select(UserRecord).order_by(UserRecord.id).limit(limit + 1)
        if after is not None:
            asked = asked.where(UserRecord.id > after)
        if email is not None:
            asked = asked.where(UserRecord.email == email.strip().lower())
        with self._database.read() as session:
            rows = list(session.scalars(asked))
            roles = roles_of(session, [row.id for row in rows])
        return page_of([_shown(row, roles[row.id]) for row in rows], limit, lambda user: user.id)

    def get(self, id: str, *, by: Actor = SYSTEM) -> User:
        """One of them. Everybody may see themselves."""
        if by.id != id:
            by.require(Right.VIEW_PEOPLE)
        with self._database.read() as session:
            row = _find(session, id)
            return _shown(row, roles_of(session, [id])[id])

    def named(self, name: str) -> User:
        """By id or e-mail address, for the shell."""
        with self._database.read() as session:
            column = UserRecord.email if "@" in name else UserRecord.id
            id = session.scalar(select(UserRecord.id).where(column == name.strip().lower()))
        if id is None:
            raise NotFound(f"There is nobody with {name!r}; `tollhouse users list` shows who there is.", param="user")
        return self.get(id)

    def set_role(
        self, id: str, role: Role | None, *, by: Actor = SYSTEM, unless_changed: Callable[[User], None] | None = None
    ) -> User:
        """Give somebody this role in the organisation; None takes it."""
        by.require(Right.CHANGE_PEOPLE)
        with self._database.write() as session:
            lock_roles(self._database, session)
            row = _find(session, id)
            _compare(session, row, unless_changed)
            set_role(self._database, session, id, None, role, by, self._database.now(session))
            session.flush()
            return _shown(row, roles_of(session, [id])[id])

    def set_disabled(
        self, id: str, disabled: bool, *, by: Actor = SYSTEM, unless_changed: Callable[[User], None] | None = None
    ) -> User:
        """Keep somebody out, with their keys and all that was issued to them; or let them in again."""
        by.require(Right.CHANGE_PEOPLE)
        with self._database.write() as session:
            lock_roles(self._database, session)
            row = _find(session, id)
            _compare(session, row, unless_changed)
            now = self._database.now(session)
            before = row.disabled_at
            roles = roles_of(session, [id])[id]
            if roles.organisation is Role.OWNER:
                by.require_to_grant(Role.OWNER, None)
            if disabled and before is None:
                if roles.organisation is Role.OWNER:
                    require_another_owner(session, id)
                row.disabled_at = row.void_before = now
            elif not disabled:
                row.disabled_at = None
            note(
                session,
                by,
                "users.disable" if disabled else "users.enable",
                id,
                at=now,
                before={"disabled": before is not None},
                after={"disabled": disabled},
            )
            announce(session)
            return _shown(row, roles)

    def unlink(self, id: str, *, by: Actor = SYSTEM) -> None:
        """Forget who somebody is at issuers: the next who comes with their verified address is taken to be them."""
        by.require(Right.CHANGE_PEOPLE)
        with self._database.write() as session:
            _find(session, id)
            session.execute(delete(IdentityRecord).where(IdentityRecord.user_id == id))
            note(session, by, "users.unlink", id, at=self._database.now(session))
            announce(session)

    def set_password(self, id: str, password: str = "", *, by: Actor = SYSTEM) -> str | None:
        """Set somebody's password, which ends all that was issued to them. An empty one is made up, and returned.

        For the shell: people set their own (`SignIn.change_password`), or use a link.
        """
        by.require(Right.CHANGE_PEOPLE)
        with self._database.read() as session:
            email = _find(session, id).email
        new = None if password else made_up()
        digest = self._passwords.hash(check_new_password(password or new or "", email))
        with self._database.write() as session:
            put_password(session, _find(session, id), digest, by, self._database.now(session))
        return new


def put_password(session: Session, row: UserRecord, digest: str, by: Actor, at: datetime) -> None:
    """A new password ends what was issued before it. In the caller's transaction."""
    row.password_hash, row.void_before = digest, at
    note(session, by, "users.password", row.id, at=at)
    announce(session)


def add_user(
    database: Database,
    session: Session,
    email: str,
    password_hash: str,
    role: Role | None,
    team_id: str | None,
    by: Actor,
) -> UserRecord:
    """A new person, in the caller's transaction. Raises Conflict where the address is taken."""
    lock_roles(database, session)  # so that an address is taken once
    if session.scalar(select(UserRecord.id).where(UserRecord.email == email)):
        raise Conflict(f"There is somebody with the e-mail address {email!r} already.", param="email")
    now = database.now(session)
    row = UserRecord(id=new_id("usr"), email=email, password_hash=password_hash, created_at=now)
    session.add(row)
    session.flush()
    note(session, by, "users.create", row.id, at=now, after={"disabled": False})
    if role is not None:
        set_role(database, session, row.id, team_id, role, by, now)
    announce(session)
    return row


def _compare(session: Session, row: UserRecord, unless_changed: Callable[[User], None] | None) -> None:
    if unless_changed is not None:
        unless_changed(_shown(row, roles_of(session, [row.id])[row.id]))


def _find(session: Session, id: str) -> UserRecord:
    row = session.get(UserRecord, id)
    if row is None:
        raise NotFound(f"There is no user {id[:60]!r}.", param="id")
    return row


def _shown(row: UserRecord, roles: Roles) -> User:
    return User(row.id, row.email, roles.organisation, roles.teams, row.created_at, row.disabled_at)
