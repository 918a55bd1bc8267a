"""Coming in by an issuer, on both databases: at once, and against what is changed meanwhile."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select

from tests.integration.services.conftest import SECRET
from tollhouse.domain.actor import SYSTEM
from tollhouse.domain.errors import SignInRefused
from tollhouse.domain.ports import SignInProof
from tollhouse.domain.rights import Role
from tollhouse.domain.vouched import Vouched
from tollhouse.mail import LogMailer
from tollhouse.services.people.arrivals import Arrivals, Welcome
from tollhouse.services.people.invitations import Invitations
from tollhouse.services.people.issuer_sign_in import CameBack, IssuerSignIn
from tollhouse.services.people.passwords import Passwords
from tollhouse.services.people.sign_in_throttle import SignInThrottle
from tollhouse.services.people.signed_links import SignedLinks
from tollhouse.services.people.teams import Teams
from tollhouse.services.people.tokens import Session, Tokens
from tollhouse.services.people.users import Users, add_user
from tollhouse.services.privacy.personal_data import PersonalDataOf
from tollhouse.services.reports.usage import UsageReport
from tollhouse.store.database import Database
from tollhouse.store.records import IdentityRecord, RefreshTokenRecord, UserRecord

NOW = datetime(2026, 11, 21, tzinfo=UTC)
HERE = "192.0.2.1"


class Believed:
    """An issuer whose code is the subject, and which says whatever it is told to."""

    name = "https://login.example.com"

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {}

    def sign_in_url(self, proof: SignInProof) -> str:
        return f"{self.name}?state={proof.state}"

    def redeem(self, code: str, proof: SignInProof, said_issuer: str | None) -> Vouched:
        return Vouched(self.name, code, f"{code.partition('/')[0]}@example.com", NOW, NOW, self.claims)

    def vouched(self, token: str) -> Vouched:
        raise NotImplementedError


@pytest.fixture
def issuer() -> Believed:
    return Believed()


@pytest.fixture
def welcome() -> Welcome:
    return Welcome(anyone=True, team="default", teams_claim="groups")


@pytest.fixture
def sign_in(database: Database, issuer: Believed, welcome: Welcome) -> IssuerSignIn:
    links = SignedLinks(database, SECRET, "invitation", timedelta(days=1), "http://localhost")
    invitations = Invitations(database, links, Passwords(), LogMailer())
    tokens = Tokens(database, "key " * 10, timedelta(days=1))
    return IssuerSignIn(
        database, issuer, Arrivals(database, invitations, welcome), SignInThrottle(database), tokens, SECRET
    )


def come(sign_in: IssuerSignIn, code: str, address: str = HERE) -> Session:
    begun = sign_in.begin()
    state = parse_qs(urlsplit(begun.url).query)["state"][0]
    return sign_in.finish(begun.sealed, CameBack(state, code), address).session


def count(database: Database, record: Any) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(record)) or 0


def test_of_many_first_times_at_once_one_makes_the_person(database: Database, sign_in: IssuerSignIn) -> None:
    with ThreadPoolExecutor(6) as pool:
        sessions = [*pool.map(lambda n: come(sign_in, "ada", f"192.0.2.{n}"), range(6))]
    assert len({session.person.id for session in sessions}) == 1
    assert len({session.family_id for session in sessions}) == 6
    assert (count(database, UserRecord), count(database, IdentityRecord)) == (1, 1)


def test_of_two_who_come_back_with_one_state_at_once_one_comes_in(sign_in: IssuerSignIn, database: Database) -> None:
    begun = sign_in.begin()
    state = parse_qs(urlsplit(begun.url).query)["state"][0]

    def go(_: int) -> str:
        try:
            return sign_in.finish(begun.sealed, CameBack(state, "ada"), HERE).session.family_id
        except SignInRefused:
            return ""

    with ThreadPoolExecutor(4) as pool:
        families = [*filter(None, pool.map(go, range(4)))]
    assert len(families) == count(database, RefreshTokenRecord) == 1


def test_teams_follow_while_roles_are_changed_by_others(
    database: Database, sign_in: IssuerSignIn, issuer: Believed
) -> None:
    teams, users = Teams(database), Users(database)
    issuer.claims = {"groups": [teams.create(name).name for name in ("red", "blue")]}
    ada = come(sign_in, "ada").person.id
    users.create("owner@example.com", "a password for tests", role=Role.OWNER)

    def toggle(n: int) -> None:
        users.set_role(ada, Role.VIEWER if n % 2 else None)

    def arrive(n: int) -> None:
        come(sign_in, "ada", f"192.0.2.{n}")

    with ThreadPoolExecutor(4) as pool:
        for _ in [*pool.map(lambda n: (toggle if n % 2 else arrive)(n), range(12))]:
            pass
    assert len(users.get(ada).teams) == 3


def test_who_is_deleted_while_they_come_in_leaves_nothing(database: Database, sign_in: IssuerSignIn) -> None:
    data = PersonalDataOf(database, UsageReport(database))
    for n in range(4):
        ada = come(sign_in, f"ada-{n}").person.id
        with ThreadPoolExecutor(2) as pool:
            again = pool.submit(come, sign_in, f"ada-{n}", f"192.0.2.{n}")
            pool.submit(data.delete, ada).result()
        session = again.result()
        with database.read() as asked:
            assert asked.get(UserRecord, ada) is None
            orphans = asked.scalars(select(RefreshTokenRecord.id).where(RefreshTokenRecord.user_id == ada)).all()
        assert not orphans
        assert session.person.id == ada or session.person.email == f"ada-{n}@example.com"


def test_all_of_a_person_is_exported_and_deleted(database: Database, sign_in: IssuerSignIn) -> None:
    ada = come(sign_in, "ada").person.id
    data = PersonalDataOf(database, UsageReport(database))
    told = data.export(ada)
    assert (told.profile["has_password"], told.identities[0]["subject"], len(told.sessions)) == (False, "ada", 1)
    data.delete(ada)
    assert (count(database, UserRecord), count(database, IdentityRecord), count(database, RefreshTokenRecord)) == (
        0,
        0,
        0,
    )


def test_a_password_account_is_linked_by_its_address_once(
    database: Database, sign_in: IssuerSignIn, welcome: Welcome
) -> None:
    with database.write() as session:
        id = add_user(database, session, "ada@example.com", "x", None, None, SYSTEM).id
    assert come(sign_in, "ada").person.id == id
    with pytest.raises(SignInRefused, match="unlink"):
        come(sign_in, "ada/2")
