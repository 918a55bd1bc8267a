"""Changes that share a transaction: each has its own result, and who fails, fails alone."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tollhouse.domain.errors import NotFound, Unavailable
from tollhouse.store import database as module
from tollhouse.store.database import Database
from tollhouse.store.records import ResponseItemRecord
from tollhouse.store.shared_writes import SharedWrites


def add(session: Session, number: int) -> int:
    session.execute(insert(ResponseItemRecord), [{"response_id": "r", "item_id": str(number), "team_id": "t"}])
    return number


def found(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(ResponseItemRecord.item_id)))


def test_who_fails_fails_alone(database: Database) -> None:
    def change(number: int) -> object:
        def within(session: Session) -> int:
            add(session, number)
            if number % 5 == 1:
                raise NotFound("not there")
            if number % 5 == 2:
                add(session, number)
            return number

        try:
            return database.put(within)
        except (NotFound, IntegrityError) as error:
            return type(error)

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(change, range(60)))
    wrong: dict[int, object] = {1: NotFound, 2: IntegrityError}
    assert results == [wrong.get(number % 5, number) for number in range(60)]
    assert found(database) == {str(number) for number in range(60) if number % 5 not in wrong}


def test_what_has_returned_is_committed(database: Database) -> None:
    assert database.put(lambda session: add(session, 1)) == 1
    other = Database(database.url)
    assert found(other) == {"1"}
    other.close()


def test_who_gives_up_in_time_has_changed_nothing(database: Database) -> None:
    writes = SharedWrites(database.write)
    begun, go_on = threading.Event(), threading.Event()

    def hang(_: Session) -> None:
        begun.set()
        go_on.wait(20)

    first = writes.put(hang)
    begun.wait(20)
    assert writes.put(lambda session: add(session, 1)).cancel()
    go_on.set()
    first.result(20)
    assert writes.put(lambda session: add(session, 2)).result(20) == 2
    assert found(database) == {"2"}


def test_a_silent_database_is_not_waited_for_for_ever(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PUT_SECONDS", 0.1)
    go_on = threading.Event()
    with pytest.raises(Unavailable):
        database.put(lambda _: go_on.wait(20))
    go_on.set()
