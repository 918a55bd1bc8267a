"""A forgotten password, and the link that sets another."""

from collections.abc import Callable

from sqlalchemy import select

from tollhouse import logs
from tollhouse.domain.actor import Actor
from tollhouse.domain.ports import Mailer
from tollhouse.services.naming import check_email
from tollhouse.services.people.passwords import Passwords, check_new_password
from tollhouse.services.people.sign_in import account_of, network_of
from tollhouse.services.people.sign_in_throttle import SignInThrottle
from tollhouse.services.people.signed_links import SignedLinks, bad_link
from tollhouse.services.people.users import put_password
from tollhouse.store.database import Database
from tollhouse.store.records import LinkRecord, UserRecord

Aside = Callable[[Callable[[], None]], None]
"""Runs something that nobody waits for."""


class PasswordResets:
    """Says the same, after the same time, whether somebody exists or not: all that differs is done `aside`."""

    def __init__(
        self,
        database: Database,
        links: SignedLinks,
        throttle: SignInThrottle,
        passwords: Passwords,
        mailer: Mailer,
        aside: Aside,
    ) -> None:
        self._database = database
        self._links = links
        self._throttle = throttle
        self._passwords = passwords
        self._mailer = mailer
        self._aside = aside

    def request(self, email: str, address: str) -> None:
        """Mail a link to whoever has this address. Raises InvalidField, TooManyAttempts."""
        email = check_email(email)
        # Counted apart from signing in: whoever forgot it has failed to sign in already.
        self._throttle.begin(account_of(f"reset {email}"), f"reset {network_of(address)}"[:64])
        self._aside(lambda: self._send(email, address))

    def reset(self, token: str, password: str, address: str) -> None:
        """Use a link to set a password, which ends all that was issued before. Raises BadRequest, InvalidField."""
        id = self._links.peek(token)
        with self._database.read() as session:
            link = session.get(LinkRecord, id)
            if link is None:
                raise bad_link()
        digest = self._passwords.hash(check_new_password(password, link.email))
        with self._database.write() as session:
            row = self._links.take(session, id)
            user = session.get(UserRecord, row.user_id or "")
            if user is None or user.disabled_at is not None:
                raise bad_link()
            by = Actor("person", user.id, address=address)
            put_password(session, user, digest, by, self._database.now(session))
            self._links.void(session, LinkRecord.user_id == user.id)
            self._throttle.succeeded(session, account_of(user.email))

    def _send(self, email: str, address: str) -> None:
        with self._database.write() as session:
            user = session.scalar(select(UserRecord).where(UserRecord.email == email))
            # Whom an issuer signs in gets no other way in by mail: it may have been closed to them there.
            if user is None or user.disabled_at is not None or not user.password_hash:
                logs.event("password_reset_of_nobody", address=address)
                return
            self._links.void(session, LinkRecord.user_id == user.id)
            row, link = self._links.make(session, {"email": email, "user_id": user.id, "made_by": user.id})
        self._mailer.send(
            email,
            "Set a new password for Tollhouse",
            f"Somebody, most likely you, asked for this link. Until {row.expires_at:%d %B %Y, %H:%M} UTC it sets a "
            f"new password, once:\n\n{link}\n\nIf it was not you, do nothing.\n",
        )
