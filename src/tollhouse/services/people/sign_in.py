"""From an e-mail address and a password to a session."""

import hashlib
from ipaddress import IPv6Address, ip_address

from sqlalchemy import select, update
from sqlalchemy.orm import Session as Transaction

from tollhouse import logs
from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField, WrongLogin
from tollhouse.services.audit import note
from tollhouse.services.naming import LONGEST_EMAIL
from tollhouse.services.people.passwords import LONGEST_PASSWORD, Passwords, check_new_password
from tollhouse.services.people.sign_in_throttle import SignInThrottle
from tollhouse.services.people.tokens import Session, Tokens
from tollhouse.services.people.users import put_password
from tollhouse.store.database import Database
from tollhouse.store.records import UserRecord


class SignIn:
    """Takes as long and says the same whether a user exists or not."""

    def __init__(self, database: Database, throttle: SignInThrottle, passwords: Passwords, tokens: Tokens) -> None:
        self._database = database
        self._throttle = throttle
        self._passwords = passwords
        self._tokens = tokens

    def sign_in(self, email: str, password: str, address: str) -> Session:
        """Begin a session for whoever has this e-mail address and password; `address` is where the attempt comes from.

        Raises InvalidField, TooManyAttempts (also with the right password), WrongLogin.
        """
        email = _checked(email, password)
        account = account_of(email)
        self._throttle.begin(account, network_of(address))
        with self._database.read() as session:
            user = session.scalar(select(UserRecord).where(UserRecord.email == email))
        # Nothing from here to the answer may take a time of its own for somebody who does not exist.
        matches = self._passwords.matches(None if user is None else user.password_hash, password)
        if user is None or not matches or user.disabled_at is not None:
            logs.event("sign_in_failed", level=logs.WARNING, user=user and user.id, address=address)
            raise _wrong_login()
        self._renew_hash(user, password)
        with self._database.write() as session:
            known = self._still_the_same(session, user)
            self._throttle.succeeded(session, account)
            begun = self._tokens.begin(session, known)
            by = Actor("person", user.id, address=address)
            note(session, by, "auth.sign_in", user.id, at=self._database.now(session))
        logs.event("signed_in", user=user.id, address=address)
        return begun

    def change_password(self, by: Actor, current: str, new: str) -> Session:
        """Set one's own password. All that was issued before ends; the session that is returned is a new one.

        Raises InvalidField, TooManyAttempts, WrongLogin.
        """
        with self._database.read() as session:
            user = session.get(UserRecord, by.id)
        if user is None:
            raise _wrong_login()
        _checked(user.email, current)
        check_new_password(new, user.email, "new_password")
        account = account_of(user.email)
        self._throttle.begin(account, network_of(by.address))
        if not self._passwords.matches(user.password_hash, current):
            raise WrongLogin("The current password is wrong.", param="password")
        digest = self._passwords.hash(new)
        with self._database.write() as session:
            known = self._still_the_same(session, user)
            self._throttle.succeeded(session, account)
            put_password(session, known, digest, by, self._database.now(session))
            return self._tokens.begin(session, known)

    def _renew_hash(self, user: UserRecord, password: str) -> None:
        if not self._passwords.is_outdated(user.password_hash):
            return
        renewed = self._passwords.hash(password)
        with self._database.write() as session:
            # Not over a password that was changed in the meantime.
            session.execute(
                update(UserRecord)
                .where(UserRecord.id == user.id, UserRecord.password_hash == user.password_hash)
                .values(password_hash=renewed)
            )
        user.password_hash = renewed

    def _still_the_same(self, session: Transaction, seen: UserRecord) -> UserRecord:
        """The user, locked. A session must not begin with a password that was changed while it was looked at."""
        user = session.scalar(select(UserRecord).where(UserRecord.id == seen.id).with_for_update())
        if user is None or user.disabled_at is not None or user.password_hash != seen.password_hash:
            raise _wrong_login()
        return user


def account_of(email: str) -> str:
    """What attempts for an e-mail address are counted under: what was typed may be anything, and is not kept."""
    return hashlib.sha256(email.encode()).hexdigest()


def network_of(address: str) -> str:
    """What one attacker can be taken to have: an IPv4 address, a /64 of IPv6, or what else the address says."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed)


def _wrong_login() -> WrongLogin:
    return WrongLogin("The e-mail address or the password is wrong.")


def _checked(email: str, password: str) -> str:
    """The e-mail address as it is kept."""
    email = email.strip().lower()
    # `isprintable` is false for control and format characters, and for line ends of every kind.
    if not email or len(email) > LONGEST_EMAIL or not email.isprintable():
        raise InvalidField(
            f"email: this must be an e-mail address of at most {LONGEST_EMAIL} characters.", param="email"
        )
    if len(password) > LONGEST_PASSWORD:
        raise InvalidField(f"password: this may have at most {LONGEST_PASSWORD} characters.", param="password")
    return email
