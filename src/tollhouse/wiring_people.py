"""The part of the wiring that is about people and keys: who calls, who signs in, how they are told, what they did."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from typing import Protocol, TypeVar

from tollhouse.domain.errors import NotFound
from tollhouse.domain.ports import Issuer, Mailer
from tollhouse.domain.rights import Role
from tollhouse.mail import mailer_of
from tollhouse.oidc.issuer import issuer_of
from tollhouse.outside import outside_the_loop
from tollhouse.providers.proxy import proxy_for
from tollhouse.services.audit import Audit
from tollhouse.services.keys.authentication import Authentication
from tollhouse.services.keys.keys import Keys
from tollhouse.services.keys.mint import KeyMint
from tollhouse.services.outbox import Outbox
from tollhouse.services.people.arrivals import Arrivals, Welcome
from tollhouse.services.people.invitations import Invitations
from tollhouse.services.people.issuer_sign_in import IssuerSignIn
from tollhouse.services.people.outside_tokens import OutsideTokens
from tollhouse.services.people.password_resets import PasswordResets
from tollhouse.services.people.passwords import Passwords
from tollhouse.services.people.sign_in import SignIn
from tollhouse.services.people.sign_in_throttle import SignInThrottle
from tollhouse.services.people.signed_links import SignedLinks
from tollhouse.services.people.teams import Teams
from tollhouse.services.people.token_keys import TokenKeys
from tollhouse.services.people.tokens import Tokens
from tollhouse.services.people.users import Users
from tollhouse.settings import Settings
from tollhouse.store.database import Database
from tollhouse.store.secret_ring import SecretRing


class UsesSecrets(Protocol):
    """What is made of the server's secrets, newest first."""

    def use(self, *secrets: str) -> None: ...


_UsesSecrets = TypeVar("_UsesSecrets", bound=UsesSecrets)

CALLBACK = "/api/auth/oidc/callback"
"""Where an issuer sends browsers back to: it must be registered there."""
HASHES_AT_ONCE = 2
"""Hashing one password takes 64 MiB: more at once would be a way to take all memory."""


class People(ABC):
    """Services of a process, each made when it is first asked for."""

    settings: Settings

    @property
    @abstractmethod
    def database(self) -> Database: ...

    @property
    @abstractmethod
    def outbox(self) -> Outbox: ...

    @property
    @abstractmethod
    def _ring(self) -> SecretRing: ...

    @cached_property
    def users(self) -> Users:
        return Users(self.database, self._passwords)

    @cached_property
    def mint(self) -> KeyMint:
        return self._told(KeyMint(*self._ring.secrets))

    @cached_property
    def authentication(self) -> Authentication:
        return Authentication(self.database, self.mint, self.tokens, self.outside_tokens)

    @cached_property
    def keys(self) -> Keys:
        return Keys(self.database, self.mint, self.outbox)

    @cached_property
    def teams(self) -> Teams:
        return Teams(self.database)

    @cached_property
    def audit(self) -> Audit:
        return Audit(self.database)

    @cached_property
    def tokens(self) -> Tokens:
        return Tokens(self.database, self.token_keys, timedelta(seconds=self.settings.session_seconds))

    @cached_property
    def token_keys(self) -> TokenKeys:
        """What people's tokens are signed with."""
        return self._told(TokenKeys(*self._ring.secrets))

    @cached_property
    def sign_in(self) -> SignIn:
        return SignIn(self.database, SignInThrottle(self.database), self._passwords, self.tokens)

    @cached_property
    def issuer_sign_in(self) -> IssuerSignIn:
        """Raises NotFound where nobody signs in so."""
        settings = self.settings
        if self.issuer is None or not settings.oidc_client_id:
            raise NotFound("Nobody signs in with an issuer here: TOLLHOUSE_OIDC_ISSUER and TOLLHOUSE_OIDC_CLIENT_ID.")
        welcome = Welcome(
            domains=settings.oidc_domains,
            anyone=settings.oidc_admits == "anyone",
            team=settings.oidc_new_team,
            role=Role(settings.oidc_new_role),
            teams_claim=settings.oidc_teams_claim,
        )
        arrivals = Arrivals(self.database, self.invitations, welcome)
        throttle = SignInThrottle(self.database)
        return self._told(IssuerSignIn(self.database, self.issuer, arrivals, throttle, self.tokens, self._ring.secrets))

    @cached_property
    def outside_tokens(self) -> OutsideTokens | None:
        """Tokens of the issuer in place of API keys, where those are taken."""
        settings = self.settings
        if self.issuer is None or not settings.oidc_audience:
            return None
        return OutsideTokens(
            self.database, self.issuer, domains=settings.oidc_domains, workload_claim=settings.oidc_workload_claim
        )

    @cached_property
    def issuer(self) -> Issuer | None:
        return issuer_of(self.settings, f"{self._base_url}{CALLBACK}", proxy_for(self.settings))

    @property
    def _base_url(self) -> str:
        """Where people's browsers find this gateway."""
        return self.settings.public_url or self.settings.own_url

    @cached_property
    def invitations(self) -> Invitations:
        links = self._links("invitation", self.settings.invitation_seconds)
        per_hour = self.settings.invitations_per_hour
        return Invitations(self.database, links, self._passwords, self._mailer, per_hour=per_hour)

    @cached_property
    def password_resets(self) -> PasswordResets:
        links = self._links("password_reset", self.settings.password_reset_seconds)
        throttle = SignInThrottle(self.database)
        return PasswordResets(self.database, links, throttle, self._passwords, self._mailer, _aside)

    def _links(self, kind: str, seconds: int) -> SignedLinks:
        return self._told(
            SignedLinks(self.database, self._ring.secrets, kind, timedelta(seconds=seconds), self._base_url)
        )

    def _told(self, user: _UsesSecrets) -> _UsesSecrets:
        """The same, which is told from here on when the server's secrets change."""
        self._ring.followed_by(user.use)
        return user

    @cached_property
    def _passwords(self) -> Passwords:
        return Passwords(outside_the_loop(HASHES_AT_ONCE))

    @cached_property
    def _mailer(self) -> Mailer:
        return mailer_of(self.settings)

    def close_people(self) -> None:
        """Wait for mail that is being sent."""
        if "_mailer" in self.__dict__:
            self._mailer.close()


def _aside(work: Callable[[], None]) -> None:
    """Where a process does what nobody waits for; what it raises is logged as whatever a thread raises."""
    threading.Thread(target=work, name="aside", daemon=True).start()
