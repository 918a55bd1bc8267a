"""Signing in on a real database: throttled alike for those who exist and those who do not."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select, update

from tollhouse.domain.errors import TollhouseError, TooManyAttempts, WrongLogin
from tollhouse.services.people import sign_in_throttle
from tollhouse.services.people.passwords import Passwords
from tollhouse.services.people.sign_in import SignIn
from tollhouse.services.people.sign_in_throttle import FAILURES_OF_ACCOUNT, FAILURES_OF_ADDRESS, WINDOW, SignInThrottle
from tollhouse.services.people.token_keys import TokenKeys
from tollhouse.services.people.tokens import Tokens
from tollhouse.services.people.users import Users
from tollhouse.store.database import Database
from tollhouse.store.records import SignInAttemptRecord, UserRecord

EMAIL = "me@example.com"
PASSWORD = "a password for tests"
WRONG = "another password"
HERE = "192.0.2.1"
T = TypeVar("T")


class CountingOffload:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, work: Callable[[], T], /) -> T:
        self.calls += 1
        return work()


@pytest.fixture
def offload() -> CountingOffload:
    return CountingOffload()


@pytest.fixture
def sign_in(database: Database, offload: CountingOffload) -> SignIn:
    Users(database).ensure_admin(EMAIL, PASSWORD)
    quick = PasswordHasher(1, 8, 1)
    with database.write() as session:
        session.execute(update(UserRecord).values(password_hash=quick.hash(PASSWORD)))
    return sign_in_of(database, Passwords(offload, quick))


def sign_in_of(database: Database, passwords: Passwords) -> SignIn:
    return SignIn(database, SignInThrottle(database), passwords, Tokens(database, TokenKeys("key"), timedelta(days=1)))


def attempts(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(SignInAttemptRecord)) or 0


def age(database: Database, by: timedelta) -> None:
    with database.write() as session:
        for row in session.scalars(select(SignInAttemptRecord)):
            row.at -= by


def outcome(sign_in: SignIn, password: str = WRONG, email: str = EMAIL, address: str = HERE) -> str:
    try:
        return str(sign_in.sign_in(email, password, address).person.organisation)
    except TollhouseError as error:
        return error.code


def test_the_right_password_tells_who_it_is_and_leaves_no_attempt(sign_in: SignIn, database: Database) -> None:
    person = sign_in.sign_in(" ME@example.com ", PASSWORD, HERE).person
    assert (person.email, person.organisation) == (EMAIL, "owner")
    assert attempts(database) == 0


def test_nobody_and_a_wrong_password_are_told_the_same_for_the_same_work(
    sign_in: SignIn, offload: CountingOffload
) -> None:
    told = []
    for email in (EMAIL, "nobody@example.com"):
        before = offload.calls
        with pytest.raises(WrongLogin) as raised:
            sign_in.sign_in(email, "wrong", HERE)
        told.append((raised.value.message, raised.value.param, offload.calls - before))
    assert told[0] == told[1]
    assert told[0][2] == 1


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
def test_after_five_failures_an_account_is_refused_from_everywhere_and_with_any_password(
    sign_in: SignIn, email: str
) -> None:
    for number in range(FAILURES_OF_ACCOUNT):
        assert outcome(sign_in, email=email, address=f"192.0.2.{number}") == "wrong_login"
    with pytest.raises(TooManyAttempts) as raised:
        sign_in.sign_in(email, PASSWORD, "198.51.100.1")
    assert raised.value.retry_after is not None
    assert WINDOW.total_seconds() - 60 < raised.value.retry_after <= WINDOW.total_seconds()


def test_refused_attempts_do_not_make_it_longer_and_hash_nothing(
    sign_in: SignIn, database: Database, offload: CountingOffload
) -> None:
    for _ in range(FAILURES_OF_ACCOUNT):
        outcome(sign_in)
    before = attempts(database), offload.calls
    for _ in range(5):
        assert outcome(sign_in) == "too_many_attempts"
    assert (attempts(database), offload.calls) == before


def test_a_failure_is_forgotten_after_the_window(sign_in: SignIn, database: Database) -> None:
    for _ in range(FAILURES_OF_ACCOUNT):
        outcome(sign_in)
    age(database, WINDOW - timedelta(seconds=60))
    assert outcome(sign_in, PASSWORD) == "too_many_attempts"
    age(database, timedelta(seconds=61))
    assert outcome(sign_in, PASSWORD) == "owner"


def test_a_success_clears_the_accounts_failures_and_no_others(sign_in: SignIn, database: Database) -> None:
    for _ in range(FAILURES_OF_ACCOUNT - 1):
        outcome(sign_in)
        outcome(sign_in, email="nobody@example.com")
    assert outcome(sign_in, PASSWORD) == "owner"
    assert attempts(database) == FAILURES_OF_ACCOUNT - 1
    assert [outcome(sign_in) for _ in range(FAILURES_OF_ACCOUNT)] == ["wrong_login"] * FAILURES_OF_ACCOUNT


def test_twenty_failures_from_one_address_refuse_it_for_all_accounts_and_nobody_else(sign_in: SignIn) -> None:
    for number in range(FAILURES_OF_ADDRESS):
        assert outcome(sign_in, email=f"{number}@example.com") == "wrong_login"
    assert outcome(sign_in, PASSWORD) == "too_many_attempts"
    assert outcome(sign_in, PASSWORD, address="198.51.100.1") == "owner"


def test_guesses_that_come_all_at_once_are_no_more_than_five(sign_in: SignIn) -> None:
    with ThreadPoolExecutor(12) as pool:
        codes = [*pool.map(lambda _: outcome(sign_in), range(24))]
    assert sorted(codes) == ["too_many_attempts"] * 19 + ["wrong_login"] * FAILURES_OF_ACCOUNT


def test_old_attempts_are_removed_some_at_a_time(
    sign_in: SignIn, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in_throttle, "REMOVED_AT_ONCE", 3)
    for number in range(5):
        outcome(sign_in, email=f"{number}@example.com")
    age(database, WINDOW + timedelta(seconds=1))
    outcome(sign_in)
    assert attempts(database) == 5 - 3 + 1
    outcome(sign_in)
    assert attempts(database) == 2


def test_what_was_typed_is_not_kept(sign_in: SignIn, database: Database) -> None:
    outcome(sign_in, email="my password by mistake")
    with database.read() as session:
        row = session.scalars(select(SignInAttemptRecord)).one()
    assert row.account == hashlib.sha256(b"my password by mistake").hexdigest()


def test_a_hash_with_other_parameters_is_renewed_at_a_success_alone(database: Database, sign_in: SignIn) -> None:
    today = PasswordHasher(2, 16, 1)
    later = sign_in_of(database, Passwords(CountingOffload(), today))

    def kept() -> str:
        with database.read() as session:
            return session.scalars(select(UserRecord.password_hash)).one()

    before = kept()
    assert outcome(later) == "wrong_login"
    assert kept() == before
    assert outcome(later, PASSWORD) == "owner"
    assert not today.check_needs_rehash(kept())
    renewed = kept()
    assert outcome(later, PASSWORD) == "owner"
    assert kept() == renewed


def test_a_damaged_hash_lets_nobody_in(database: Database, sign_in: SignIn) -> None:
    with database.write() as session:
        session.execute(update(UserRecord).values(password_hash="$argon2id$damaged"))
    assert outcome(sign_in, PASSWORD) == "wrong_login"
