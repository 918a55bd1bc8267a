"""Stored responses and conversations on both databases: chains, retention, and many who write at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from sqlalchemy import func, select, update

from tollhouse.domain.errors import NotFound, PreviousResponseNotFound
from tollhouse.domain.principal import DEFAULT_TEAM, Principal
from tollhouse.jobs import expire_responses
from tollhouse.services.pages import Page
from tollhouse.services.responses.context import Question
from tollhouse.services.responses.conversations import Conversations
from tollhouse.services.responses.items import kept
from tollhouse.services.responses.stored_responses import CHUNK_ROWS, NewResponse, StoredResponses
from tollhouse.store.database import Database
from tollhouse.store.records import ConversationItemRecord, ResponseItemRecord, ResponseRecord

ME = Principal("key_1", "me")
OTHER = Principal("key_2", "other", team_id="team_other")
EVERYTHING = Page(100, ascending=True)


@pytest.fixture
def stored(database: Database) -> StoredResponses:
    return StoredResponses(database, days=30)


@pytest.fixture
def conversations(database: Database) -> Conversations:
    return Conversations(database, stores=True)


def said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def save(
    into: StoredResponses, name: str, previous: str | None = None, thread: str | None = None, **fields: Any
) -> None:
    given = {"team_id": DEFAULT_TEAM, "conversation_id": None, "stored": True, **fields}
    new = NewResponse(
        id=f"resp_{name}",
        key_id="key_1",
        input=kept([said(f"ask {name}\0")], "input"),
        previous_id=previous and f"resp_{previous}",
        thread_id=thread and f"resp_{thread}",
        **given,
    )
    answer = {"id": f"msg_{name}", "type": "message", "role": "assistant", "content": f"answer {name}\0"}
    into.save(new, {"id": new.id, "status": "completed", "output": [answer]})


def context(database: Database, name: str, team_id: str = DEFAULT_TEAM) -> list[str]:
    question = Question(team_id, [], f"resp_{name}", None, 100_000)
    texts = [item["content"] for item in database.ask(question).earlier]
    return [text if isinstance(text, str) else text[0]["text"] for text in texts]


def age(database: Database, name: str, days: float) -> None:
    with database.write() as session:
        made = database.now(session) - timedelta(days=days)
        session.execute(update(ResponseRecord).where(ResponseRecord.id == f"resp_{name}").values(created_at=made))


def count(database: Database, record: Any) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(record)) or 0


def test_a_chain_is_read_from_its_beginning_and_may_fork(database: Database, stored: StoredResponses) -> None:
    save(stored, "a")
    save(stored, "b", "a", "a")
    save(stored, "c", "b", "a")
    save(stored, "fork", "a", "a")
    expected = [f"{what} {name}\0" for name in "abc" for what in ("ask", "answer")]
    assert context(database, "c") == expected
    assert context(database, "fork") == [*expected[:2], "ask fork\0", "answer fork\0"]


def test_a_long_chain_is_read_whole(database: Database, stored: StoredResponses) -> None:
    save(stored, "0")
    for number in range(1, 700):
        with database.write() as session:
            stored.insert(
                session,
                NewResponse(f"resp_{number}", DEFAULT_TEAM, "k", [], f"resp_{number - 1}", "resp_0", None, True),
                {"status": "completed", "output": [{"id": "m", "content": str(number)}]},
            )
    assert context(database, "699")[2:] == [str(number) for number in range(1, 700)]


def test_a_chain_of_another_team_is_none(database: Database, stored: StoredResponses) -> None:
    save(stored, "a")
    with pytest.raises(PreviousResponseNotFound):
        context(database, "a", OTHER.team_id)
    with pytest.raises(NotFound):
        stored.delete(OTHER, "resp_a")
    with pytest.raises(NotFound):
        stored.retrieve(OTHER, "resp_a")
    assert stored.retrieve(ME, "resp_a")["id"] == "resp_a"


def test_a_thread_is_kept_as_long_as_its_newest_response(database: Database, stored: StoredResponses) -> None:
    save(stored, "a")
    save(stored, "b", "a", "a")
    save(stored, "old")
    save(stored, "older", "old", "old")
    age(database, "a", 100)
    age(database, "old", 40)
    age(database, "older", 31)
    assert stored.expire() == 2
    assert context(database, "b")
    assert count(database, ResponseRecord) == count(database, ResponseItemRecord) == 2
    age(database, "b", 30.1)
    assert stored.expire() == 2
    assert stored.expire() == 0
    assert count(database, ResponseRecord) == count(database, ResponseItemRecord) == 0


def test_the_job_deletes_what_is_due(database: Database, stored: StoredResponses) -> None:
    save(stored, "a")
    age(database, "a", 31)
    expire_responses.run(Mock(stored_responses=stored))
    assert count(database, ResponseRecord) == 0


def test_what_expires_goes_in_small_transactions(database: Database, stored: StoredResponses) -> None:
    for number in range(CHUNK_ROWS + 5):
        save(stored, str(number))
        age(database, str(number), 31)
    assert len(stored._expired()) == CHUNK_ROWS
    with database.write() as session:
        session.execute(update(ResponseRecord).values(size=3 * 1024 * 1024))
    assert len(stored._expired()) == 1
    assert stored.expire() == CHUNK_ROWS + 5


def test_who_add_to_a_conversation_at_once_do_so_one_after_another(
    database: Database, stored: StoredResponses, conversations: Conversations
) -> None:
    id = conversations.create(ME, {})["id"]

    def one(number: int) -> None:
        save(stored, str(number), conversation_id=id, stored=bool(number % 2))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(24)))
    items = conversations.items(ME, id, EVERYTHING)["data"]
    pairs = list(zip(items[::2], items[1::2], strict=True))
    assert {item["content"][0]["text"] for item, _ in pairs} == {f"ask {number}\0" for number in range(24)}
    assert all(answer["content"] == ask["content"][0]["text"].replace("ask", "answer") for ask, answer in pairs)
    assert count(database, ResponseRecord) == 12
    with database.read() as session:
        positions = session.scalars(select(ConversationItemRecord.position).order_by(ConversationItemRecord.position))
        assert list(positions) == list(range(1, 49))


def test_a_response_whose_conversation_was_deleted_meanwhile_is_kept_all_the_same(
    database: Database, stored: StoredResponses, conversations: Conversations
) -> None:
    id = conversations.create(ME, {"items": [said("hi")] * 20})["id"]
    conversations.delete(ME, id)
    assert count(database, ConversationItemRecord) == 0
    save(stored, "a", conversation_id=id)
    assert stored.retrieve(ME, "resp_a")
    assert count(database, ConversationItemRecord) == 0
