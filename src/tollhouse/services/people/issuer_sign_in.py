"""Signing in with an issuer: out to it with a browser, and back."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_urlsafe

from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from tollhouse import logs
from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField, IssuerUnavailable, SignInRefused
from tollhouse.domain.ports import Issuer, SignInProof
from tollhouse.domain.vouched import Vouched
from tollhouse.services.audit import note
from tollhouse.services.people.arrivals import Arrivals
from tollhouse.services.people.sign_in import account_of, network_of
from tollhouse.services.people.sign_in_throttle import SignInThrottle
from tollhouse.services.people.tokens import Session, Tokens
from tollhouse.store.database import Database
from tollhouse.store.records import SpentStateRecord

LIFE = timedelta(minutes=10)
"""From the button to the way back: time to find a second factor."""
LONGEST_PATH = 1000
REMOVED_AT_ONCE = 500
ATTEMPTS = 2
"""Of two who come in for the first time at the same moment with one name, one has to look again."""


@dataclass(frozen=True, slots=True)
class Begun:
    """`url` is where the browser goes; it keeps `sealed` meanwhile, which shows that it is the one that began."""

    url: str
    sealed: str


@dataclass(frozen=True, slots=True)
class CameBack:
    """What a browser brings from the issuer: `code`, or `error` with its `reason`."""

    state: str
    code: str = ""
    issuer: str | None = None
    error: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Arrived:
    """`return_to` is the page of this gateway that they wanted, None where they asked for none."""

    session: Session
    return_to: str | None


class IssuerSignIn:
    """Nothing is written before somebody comes back: whoever only begins costs the database nothing."""

    def __init__(
        self,
        database: Database,
        issuer: Issuer,
        arrivals: Arrivals,
        throttle: SignInThrottle,
        tokens: Tokens,
        secrets: Sequence[str],
    ) -> None:
        """`secrets` are the server's, newest first."""
        self._database = database
        self._issuer = issuer
        self._arrivals = arrivals
        self._throttle = throttle
        self._tokens = tokens
        self.use(*secrets)

    def use(self, *secrets: str) -> None:
        """These secrets from here on, newest first."""
        keys = [hmac.digest(secret.encode(), b"tollhouse issuer sign-in", "sha256").hex() for secret in secrets]
        # It signs with the last.
        self._serializer = URLSafeTimedSerializer(keys[::-1], salt="tollhouse issuer sign-in")

    def begin(self, return_to: str | None = None) -> Begun:
        """Raises InvalidField, IssuerUnavailable."""
        if return_to is not None:
            _check_path(return_to)
        proof = SignInProof(token_urlsafe(24), token_urlsafe(24), token_urlsafe(48))
        sealed = self._serializer.dumps([proof.state, proof.nonce, proof.verifier, return_to])
        return Begun(self._issuer.sign_in_url(proof), str(sealed))

    def finish(self, sealed: str | None, back: CameBack, address: str) -> Arrived:
        """Begin a session for whoever came back; `address` is where they are.

        Raises SignInRefused, TooManyAttempts, IssuerUnavailable.
        """
        proof, return_to = self._opened(sealed, back.state)
        account = account_of(f"issuer {back.state}")
        # Counted apart from passwords: an issuer that is set up wrongly keeps nobody from those.
        self._throttle.begin(account, f"issuer {network_of(address)}"[:64])
        self._spend(back.state)
        if back.error or not back.code:
            said = " ".join(f"{back.error} {back.reason}".split())[:200]
            logs.event("sign_in_failed", level=logs.WARNING, issuer=self._issuer.name, error=said, address=address)
            raise SignInRefused(f"The issuer did not sign you in ({said or 'it gave no code'}): begin again.")
        try:
            vouched = self._issuer.redeem(back.code, proof, back.issuer)
        except IssuerUnavailable:
            with self._database.write() as transaction:
                self._throttle.succeeded(transaction, account)  # it was no failure of theirs
            raise
        try:
            session = self._begin_session(vouched, account, address)
        except SignInRefused as error:
            logs.event(
                "sign_in_failed", level=logs.WARNING, issuer=vouched.issuer, error=error.message, address=address
            )
            raise
        logs.event("signed_in", user=session.person.id, address=address, issuer=vouched.issuer)
        return Arrived(session, return_to)

    def _begin_session(self, vouched: Vouched, account: str, address: str) -> Session:
        for attempt in range(ATTEMPTS):
            try:
                with self._database.write() as session:
                    now = self._database.now(session)
                    user = self._arrivals.person(session, vouched, address, now)
                    self._throttle.succeeded(session, account)
                    begun = self._tokens.begin(session, user)
                    by = Actor("person", user.id, address=address)
                    note(session, by, "auth.sign_in", user.id, at=now, after={"issuer": vouched.issuer})
                    return begun
            except IntegrityError:
                if attempt + 1 == ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def _opened(self, sealed: str | None, state: str) -> tuple[SignInProof, str | None]:
        """Whoever makes somebody else's browser come back with a code of their own has not this browser's seal."""
        try:
            began, nonce, verifier, return_to = self._serializer.loads(sealed or "", max_age=int(LIFE.total_seconds()))
        except (BadData, TypeError, ValueError):
            raise _not_begun() from None
        if not hmac.compare_digest(str(began).encode(), state.encode()):
            raise _not_begun()
        return SignInProof(began, nonce, verifier), return_to

    def _spend(self, state: str) -> None:
        digest = hashlib.sha256(state.encode()).hexdigest()
        try:
            with self._database.write() as session:
                now = self._database.now(session)
                old = select(SpentStateRecord.state).where(SpentStateRecord.expires_at <= now).limit(REMOVED_AT_ONCE)
                session.execute(
                    delete(SpentStateRecord).where(SpentStateRecord.state.in_(old)),
                    execution_options={"synchronize_session": False},
                )
                session.add(SpentStateRecord(state=digest, expires_at=now + LIFE))
        except IntegrityError:
            raise _not_begun() from None


def _not_begun() -> SignInRefused:
    return SignInRefused(
        "This sign-in was not begun in this browser, or too long ago, or it was finished already: begin again at "
        "/api/auth/oidc/login.",
        param="state",
    )


def _check_path(path: str) -> None:
    """A page of this gateway: a path that no browser takes for another host's."""
    # `//host` is another host; browsers take `\` for `/`, and leave out tabs and line ends.
    good = path.startswith("/") and not path.startswith("//") and "\\" not in path and len(path) <= LONGEST_PATH
    if not good or not path.isprintable() or not path.isascii():
        raise InvalidField("return_to: this must be a path of this gateway, such as /console.", param="return_to")
