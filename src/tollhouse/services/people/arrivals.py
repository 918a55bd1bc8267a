"""Whom an issuer brings in, and what they get."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse import logs
from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidSetting, SignInRefused
from tollhouse.domain.rights import Role
from tollhouse.domain.vouched import Vouched
from tollhouse.services.naming import check_email
from tollhouse.services.people.identities import has_domain, is_linked, link, linked, teams_named, with_email
from tollhouse.services.people.invitations import Invitations
from tollhouse.services.people.memberships import lock_roles, set_role
from tollhouse.services.people.users import add_user
from tollhouse.store.database import Database
from tollhouse.store.records import MembershipRecord, UserRecord

NO_PASSWORD = ""
"""A hash that no password has."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """What is believed of an issuer: `domains` of the addresses that it may bring in (none: all), whether it may bring
    in `anyone`, where those come to, and the claim that names teams.
    """

    domains: Collection[str] = ()
    anyone: bool = False
    team: str = ""
    role: Role = Role.MEMBER
    teams_claim: str = ""


class Arrivals:
    """From what an issuer says to a person here. In the caller's transaction."""

    def __init__(self, database: Database, invitations: Invitations, welcome: Welcome) -> None:
        self._database = database
        self._invitations = invitations
        self._welcome = welcome

    def person(self, session: Session, vouched: Vouched, address: str, at: datetime) -> UserRecord:
        """Whoever this is, locked, linked and in the teams that the issuer says. Raises SignInRefused."""
        # What may be done here was settled by the settings.
        by = Actor("system", "system", Role.OWNER, address=address)
        if self._welcome.teams_claim:
            lock_roles(self._database, session)
        found = linked(session, vouched) or self._first_time(session, vouched, by, at)
        user = session.scalar(
            select(UserRecord).where(UserRecord.id == found.id).with_for_update(),
            execution_options={"populate_existing": True},
        )
        if user is None or user.disabled_at is not None:
            raise SignInRefused("You are kept out of this gateway: an administrator can let you in again.")
        if self._welcome.teams_claim:
            self._follow_teams(session, user, vouched, by, at)
        return user

    def _first_time(self, session: Session, vouched: Vouched, by: Actor, at: datetime) -> UserRecord:
        if vouched.email is None:
            raise SignInRefused(
                "The issuer did not say that it verified your e-mail address (`email_verified`), so nobody here can be "
                "taken to be you."
            )
        email = check_email(vouched.email)
        if not has_domain(email, self._welcome.domains):
            raise SignInRefused("E-mail addresses of your domain do not come in here: TOLLHOUSE_OIDC_DOMAINS.")
        user = with_email(session, vouched)
        if user is None:
            user = self._newcomer(session, email, by)
        elif is_linked(session, user, vouched.issuer):
            logs.event("identity_conflict", level=logs.WARNING, user=user.id, issuer=vouched.issuer)
            raise SignInRefused(
                "Somebody else of this issuer had your e-mail address here before: an administrator can end that with "
                "`tollhouse users unlink`."
            )
        link(session, user, vouched, by, at)
        session.flush()
        return user

    def _newcomer(self, session: Session, email: str, by: Actor) -> UserRecord:
        welcome = self._welcome
        if self._invitations.open_for(session, email):
            user = add_user(self._database, session, email, NO_PASSWORD, None, None, by)
            self._invitations.accept_all(session, user, by.address)
            return user
        if not welcome.anyone:
            raise SignInRefused("There is nobody here with your e-mail address: ask for an invitation.")
        if not welcome.team:
            return add_user(self._database, session, email, NO_PASSWORD, None, None, by)
        teams = teams_named(session, [welcome.team])
        if not teams:
            raise InvalidSetting(f"TOLLHOUSE_OIDC_NEW_TEAM: there is no team {welcome.team!r}.")
        return add_user(self._database, session, email, NO_PASSWORD, welcome.role, teams[0], by)

    def _follow_teams(self, session: Session, user: UserRecord, vouched: Vouched, by: Actor, at: datetime) -> None:
        """Into the teams that the claim names, and out of those that it named before. Other roles stay."""
        names = vouched.names(self._welcome.teams_claim)
        if names is None:
            logs.event("teams_not_told", level=logs.WARNING, user=user.id, claim=self._welcome.teams_claim)
            return
        wanted = teams_named(session, names)
        of_user = select(MembershipRecord).where(
            MembershipRecord.user_id == user.id, MembershipRecord.team_id.is_not(None)
        )
        held = {row.team_id: row for row in session.scalars(of_user)}
        for team_id, row in held.items():
            if row.from_issuer and team_id not in wanted:
                set_role(self._database, session, user.id, team_id, None, by, at)
        for team_id in (one for one in wanted if one not in held):
            set_role(self._database, session, user.id, team_id, self._welcome.role, by, at)
            session.flush()
            for row in session.scalars(of_user.where(MembershipRecord.team_id == team_id)):
                row.from_issuer = True
