"""What comes again with the same key is done once, and answered the same way."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from unittest.mock import Mock

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tests.integration.services.conftest import VAULT
from tollhouse.domain.errors import AlreadyUnderWay, Conflict, KeyReused
from tollhouse.jobs import expire_idempotency
from tollhouse.services.people.teams import Teams
from tollhouse.services.repeats.idempotency import LEASE, Answer, Claim, Idempotency
from tollhouse.store.database import Database
from tollhouse.store.records import IdempotencyRecord, TeamRecord
from tollhouse.store.vault import FernetVault


@pytest.fixture
def idempotency(database: Database) -> Idempotency:
    return Idempotency(database, VAULT)


@pytest.fixture
def make(database: Database) -> Callable[[], Answer]:
    """Work that makes a team of the next number."""

    def work() -> Answer:
        with database.read() as session:
            number = session.scalar(select(func.count()).select_from(TeamRecord))
        return Answer(201, Teams(database).create(f"number {number}").name)

    return work


def teams(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(TeamRecord)) - 1  # the default one


def age(database: Database, by: timedelta) -> None:
    with database.write() as session:
        for row in session.scalars(select(IdempotencyRecord)):
            row.taken_until, row.expires_at = row.taken_until - by, row.expires_at - by


def test_the_same_request_is_done_once(
    database: Database, idempotency: Idempotency, make: Callable[[], Answer]
) -> None:
    first = idempotency.once("usr_1", "a", "f", make)
    assert idempotency.once("usr_1", "a", "f", make) == Answer(201, first.text, again=True)
    assert teams(database) == 1


def test_keys_are_of_their_owner(database: Database, idempotency: Idempotency, make: Callable[[], Answer]) -> None:
    for owner, key in (("usr_1", "a"), ("usr_2", "a"), ("usr_1", "b")):
        assert not idempotency.once(owner, key, "f", make).again
    assert teams(database) == 3


def test_another_request_with_the_key_is_refused(
    database: Database, idempotency: Idempotency, make: Callable[[], Answer]
) -> None:
    idempotency.once("usr_1", "a", "f", make)
    with pytest.raises(KeyReused):
        idempotency.once("usr_1", "a", "other", make)
    assert teams(database) == 1


def test_while_it_is_under_way_nobody_begins_it_again(
    database: Database, idempotency: Idempotency, make: Callable[[], Answer]
) -> None:
    began, go_on = Event(), Event()

    def slowly() -> Answer:
        began.set()
        assert go_on.wait(10)
        return make()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(idempotency.once, "usr_1", "a", "f", slowly)
        assert began.wait(10)
        with pytest.raises(AlreadyUnderWay) as refused:
            idempotency.once("usr_1", "a", "f", make)
        assert refused.value.retry_after == 1
        go_on.set()
        assert first.result().status == 201
    assert idempotency.once("usr_1", "a", "f", make).again
    assert teams(database) == 1


def test_of_many_at_once_one_is_done(database: Database, idempotency: Idempotency, make: Callable[[], Answer]) -> None:
    def ask(_number: int) -> str:
        try:
            return idempotency.once("usr_1", "a", "f", make).text
        except AlreadyUnderWay:
            return "under way"

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(ask, range(24)))
    assert teams(database) == 1
    assert answers - {"under way"} == {"number 1"}


def test_what_was_refused_changed_nothing_and_may_be_asked_again(
    database: Database, idempotency: Idempotency, make: Callable[[], Answer]
) -> None:
    def refused() -> Answer:
        make()
        raise Conflict("not today")

    with pytest.raises(Conflict):
        idempotency.once("usr_1", "a", "f", refused)
    assert teams(database) == 0
    assert not idempotency.once("usr_1", "a", "f", make).again
    assert teams(database) == 1


def test_who_died_on_the_way_is_followed_after_the_lease_and_comes_too_late(
    database: Database, idempotency: Idempotency, make: Callable[[], Answer]
) -> None:
    def slowly() -> Answer:
        # As another process: not in this one's transaction.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(age, database, LEASE).result()
            assert not pool.submit(idempotency.once, "usr_1", "a", "f", make).result().again
        return make()

    with pytest.raises(AlreadyUnderWay, match="begun anew"):
        idempotency.once("usr_1", "a", "f", slowly)
    assert teams(database) == 1
    assert idempotency.once("usr_1", "a", "f", make).again


def test_after_24_hours_it_is_a_new_request(
    database: Database, idempotency: Idempotency, make: Callable[[], Answer]
) -> None:
    idempotency.once("usr_1", "a", "f", make)
    age(database, timedelta(hours=23, minutes=59))
    assert idempotency.once("usr_1", "a", "f", make).again
    age(database, timedelta(minutes=1))
    assert not idempotency.once("usr_1", "a", "other", make).again
    assert teams(database) == 2


def test_what_is_too_old_is_deleted(database: Database, idempotency: Idempotency, make: Callable[[], Answer]) -> None:
    idempotency.once("usr_1", "a", "f", make)
    age(database, timedelta(hours=24))
    idempotency.once("usr_1", "b", "f", make)
    expire_idempotency.run(Mock(idempotency=idempotency))
    assert idempotency.expire() == 0
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(IdempotencyRecord)) == 1


def test_answers_are_sealed_and_what_cannot_be_read_is_not_done_again(
    database: Database, idempotency: Idempotency, make: Callable[[], Answer]
) -> None:
    secret = "sk-th-canary"

    def work() -> Answer:
        make()
        return Answer(201, secret)

    idempotency.once("usr_1", "a key that nobody reads", "f", work)
    with database.read() as session:
        (row,) = session.scalars(select(IdempotencyRecord))
    kept = " ".join(map(str, vars(row).values()))
    assert secret not in kept
    assert "nobody reads" not in kept
    other = Idempotency(database, FernetVault("another secret that is long enough"))
    with pytest.raises(Conflict, match="cannot be read any more"):
        other.once("usr_1", "a key that nobody reads", "f", work)
    assert teams(database) == 1


def make_by_put(database: Database, name: str) -> None:
    def change(session: Session) -> None:
        session.add(TeamRecord(id=name, name=name, created_at=database.now(session)))

    database.put(change)


def test_what_rides_on_a_change_is_made_with_it_or_not_at_all(database: Database, idempotency: Idempotency) -> None:
    claim = idempotency.claim("key_1", "a", "f")
    assert isinstance(claim, Claim)
    with idempotency.riding(claim):
        make_by_put(database, "first")
        make_by_put(database, "second")
    with pytest.raises(AlreadyUnderWay):
        idempotency.claim("key_1", "a", "f")
    age(database, LEASE)
    with pytest.raises(Conflict, match="answer was lost"):
        idempotency.claim("key_1", "a", "f")
    assert idempotency.keep(claim, Answer(200, "head", body=b"reply"))
    assert idempotency.claim("key_1", "a", "f") == Answer(200, "head", again=True, body=b"reply")
    assert teams(database) == 2


def test_a_claim_that_was_lost_lets_nothing_be_changed_by_it(database: Database, idempotency: Idempotency) -> None:
    late = idempotency.claim("key_1", "a", "f")
    age(database, LEASE)
    other = idempotency.claim("key_1", "a", "f")
    assert isinstance(late, Claim)
    assert isinstance(other, Claim)
    with pytest.raises(AlreadyUnderWay), idempotency.riding(late):
        make_by_put(database, "late")
    assert teams(database) == 0
    assert not idempotency.keep(late, Answer(200, "late"))
    idempotency.release(late)
    with pytest.raises(AlreadyUnderWay):
        idempotency.claim("key_1", "a", "f")
    idempotency.release(other)
    assert isinstance(idempotency.claim("key_1", "a", "f"), Claim)


def test_a_claim_that_is_renewed_outlives_its_first_lease(database: Database, idempotency: Idempotency) -> None:
    claim = idempotency.claim("key_1", "a", "f")
    assert isinstance(claim, Claim)
    age(database, LEASE / 2)
    idempotency.renew([claim])
    age(database, LEASE * 3 / 4)
    with pytest.raises(AlreadyUnderWay):
        idempotency.claim("key_1", "a", "f")
