"""Access tokens of an issuer in place of API keys: whose call it is that comes with one."""

import hashlib
from collections.abc import Collection, Sequence

from sqlalchemy.orm import Session

from tollhouse.domain.actor import Person
from tollhouse.domain.errors import InvalidToken
from tollhouse.domain.ports import Issuer
from tollhouse.domain.principal import Principal
from tollhouse.domain.vouched import Vouched
from tollhouse.services.people.calling_team import calling_team, no_such_team
from tollhouse.services.people.identities import has_domain, is_linked, linked, teams_named, with_email
from tollhouse.services.people.memberships import person_of
from tollhouse.services.people.tokens import is_good
from tollhouse.store.database import Database
from tollhouse.store.records import UserRecord


class OutsideTokens:
    """Of people who are here, and where `workload_claim` is set, of programs that are nobody here."""

    def __init__(
        self, database: Database, issuer: Issuer, *, domains: Collection[str] = (), workload_claim: str = ""
    ) -> None:
        self._database = database
        self._issuer = issuer
        self._domains = domains
        self._workload_claim = workload_claim

    def principal(self, token: str, team: str | None) -> Principal:
        """Raises InvalidToken, ExpiredToken, NotFound, Forbidden, IssuerUnavailable."""
        vouched = self._issuer.vouched(token)
        found = self._database.ask(lambda session: self._find(session, vouched))
        if isinstance(found, Person):
            return Principal(
                key_id=found.id,
                name=found.email,
                expires_at=vouched.expires_at,
                team_id=calling_team(self._database, found, team),
                user_id=found.id,
            )
        if team is not None and team not in found:
            raise no_such_team(team)
        return Principal(
            key_id=_name_of(vouched),
            name=vouched.subject[:200],
            expires_at=vouched.expires_at,
            team_id=team or found[0],
        )

    def _find(self, session: Session, vouched: Vouched) -> Person | Sequence[str]:
        """The person, else the teams that a program may call for. Nothing is written: this is on the way of calls."""
        user = linked(session, vouched) or self._with_email(session, vouched)
        if user is not None:
            # Who is kept out does not come in as a program.
            if not is_good(user, vouched.issued_at):
                raise InvalidToken("This access token was ended: get another from your issuer.")
            return person_of(session, user)
        if self._workload_claim and (teams := teams_named(session, vouched.names(self._workload_claim) or ())):
            return teams
        raise InvalidToken(
            "This access token is of nobody here: sign in once with the issuer, or have it name a team of this gateway."
        )

    def _with_email(self, session: Session, vouched: Vouched) -> UserRecord | None:
        if vouched.email is None or not has_domain(vouched.email, self._domains):
            return None
        user = with_email(session, vouched)
        return None if user is None or is_linked(session, user, vouched.issuer) else user


def _name_of(vouched: Vouched) -> str:
    """What a program's calls are booked on: always the same, and no longer than an id."""
    return "sub_" + hashlib.sha256(f"{vouched.issuer}\n{vouched.subject}".encode()).hexdigest()[:32]
