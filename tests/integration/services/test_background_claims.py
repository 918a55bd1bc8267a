"""Responses in the background on both databases: taken by one process at a time, ended once, whoever comes late."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from tollhouse.domain.principal import Principal
from tollhouse.services.background.claims import DONE, WAITING, Claims, Lost
from tollhouse.services.background.events import first_events
from tollhouse.services.responses.stored_responses import NewResponse, StoredResponses
from tollhouse.store.database import Database
from tollhouse.store.records import BackgroundRecord, ResponseEventsRecord


@pytest.fixture
def stored(database: Database) -> StoredResponses:
    return StoredResponses(database, days=1)


def add(database: Database, stored: StoredResponses, name: str, team: str = "team_1") -> dict[str, Any]:
    document = {
        "id": f"resp_{name}",
        "created_at": 1,
        "background": True,
        "store": True,
        "status": "queued",
        "output": [],
    }
    new = NewResponse(f"resp_{name}", team, "key_1", [], None, None, None, stored=True)
    with database.write() as session:
        stored.insert(session, new, document)
        row = {"id": new.id, "team_id": team, "key_id": "key_1", "call": {"body": {}}, "streamed": True}
        numbers = {"state": WAITING, "attempt": 0, "failures": 0, "last_number": 1}
        expires_at = database.now(session) + timedelta(hours=1)
        session.execute(insert(BackgroundRecord), {**row, **numbers, "expires_at": expires_at})
        events = {"response_id": new.id, "first": 0, "last": 1, "events": first_events(document)}
        session.execute(insert(ResponseEventsRecord), events)
    return document


def pass_time(database: Database, seconds: float) -> None:
    with database.write() as session:
        rows = session.scalars(select(BackgroundRecord))
        for row in rows:
            row.lease_until = row.lease_until and row.lease_until - timedelta(seconds=seconds)
            row.due_at = row.due_at and row.due_at - timedelta(seconds=seconds)


def status(stored: StoredResponses, name: str) -> str:
    return str(stored.retrieve(Principal("key_1", "k", team_id="team_1"), f"resp_{name}")["status"])


def test_each_is_taken_by_one_of_those_who_ask_at_once(database: Database, stored: StoredResponses) -> None:
    for number in range(12):
        add(database, stored, f"{number:02}")
    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(lambda owner: Claims(database, stored, owner).claim(12), "abcd"))
    ids = [claim.id for claims in taken for claim in claims]
    assert len(ids) == len(set(ids)), "one was taken twice"
    rest = [claim.id for claim in Claims(database, stored, "e").claim(12)]
    assert sorted(ids + rest) == [f"resp_{number:02}" for number in range(12)]


def test_one_that_is_kept_stays_with_its_process_and_one_that_is_not_comes_free(
    database: Database, stored: StoredResponses
) -> None:
    add(database, stored, "a")
    mine, others = Claims(database, stored, "mine"), Claims(database, stored, "others")
    (claim,) = mine.claim(9)
    assert (claim.attempt, claim.failures, claim.died, claim.document["id"]) == (1, 0, False, "resp_a")
    pass_time(database, 10)
    assert mine.keep() == {("resp_a", 1)}
    pass_time(database, 10)
    assert others.claim(9) == []
    pass_time(database, 10)
    (again,) = others.claim(9)
    assert (again.attempt, again.failures, again.died) == (2, 1, True)
    assert mine.keep() == frozenset()
    with pytest.raises(Lost):
        mine.log(claim, 1, [b"late"])
    with pytest.raises(Lost):
        mine.end(claim, {**claim.document, "status": "completed"}, 1, [])
    others.end(again, {**again.document, "status": "completed"}, 1, [b"last"])
    assert status(stored, "a") == "completed"


def test_what_is_written_twice_because_nobody_heard_of_it_is_there_once(
    database: Database, stored: StoredResponses
) -> None:
    add(database, stored, "a")
    claims = Claims(database, stored, "mine")
    (claim,) = claims.claim(9)
    for _ in range(2):
        assert claims.log(claim, 1, [b"two", b"three"]) == 3
    for _ in range(2):
        claims.end(claim, {**claim.document, "status": "incomplete"}, 3, [b"four"])
    with database.read() as session:
        row = ResponseEventsRecord
        kept = session.execute(select(row.first, row.last, row.events).order_by(row.first)).all()
        state = session.scalar(select(BackgroundRecord.state))
    assert [(one.first, one.last) for one in kept] == [(0, 1), (2, 3), (4, 4)]
    assert [one.events for one in kept[1:]] == [b"twothree", b"four"]
    assert (state, status(stored, "a")) == (DONE, "incomplete")


def test_one_that_is_given_back_waits_for_its_time(database: Database, stored: StoredResponses) -> None:
    add(database, stored, "a")
    claims = Claims(database, stored, "mine")
    (claim,) = claims.claim(9)
    claims.give_back(claim, 30, "It is too much.", failed=True)
    assert (claims.claim(9), status(stored, "a")) == ([], "queued")
    assert claims.any_open()
    pass_time(database, 31)
    (again,) = claims.claim(9)
    assert (again.failures, again.waits_for, again.died) == (1, "It is too much.", False)
    claims.give_back(again, 300, "It is too much.", failed=False)
    with database.write() as session:
        session.execute(update(BackgroundRecord).values(expires_at=database.now(session) - timedelta(seconds=1)))
    (late,) = claims.claim(9)
    assert (late.failures, late.expired) == (1, True)


def test_teams_get_as_many_as_each_other(database: Database, stored: StoredResponses) -> None:
    for number in range(9):
        add(database, stored, f"a{number}")
    for number in range(3):
        add(database, stored, f"b{number}", "team_2")
    first = Claims(database, stored, "mine").claim(4)
    assert [claim.id for claim in first] == ["resp_a0", "resp_a1", "resp_b0", "resp_b1"]
    second = Claims(database, stored, "mine").claim(2)
    assert sorted(claim.team_id for claim in second) == ["team_1", "team_2"]
