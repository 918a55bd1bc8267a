"""Responses that are kept: saved, shown, deleted, expired. A team sees its own alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session, aliased

from tollhouse.domain.errors import NotFound
from tollhouse.domain.principal import Principal
from tollhouse.domain.webhooks import Event
from tollhouse.services.outbox import NOBODY, Tells
from tollhouse.services.pages import Page
from tollhouse.services.responses import conversation_items
from tollhouse.services.responses.chain import chain_to, items_in
from tollhouse.services.responses.items import Item, is_id, size_of
from tollhouse.store.database import Database
from tollhouse.store.records import BackgroundRecord, ResponseEventsRecord, ResponseItemRecord, ResponseRecord

CHUNK_ROWS = 100
CHUNK_BYTES = 4 * 1024 * 1024
"""What one transaction deletes at most: nobody may wait for the database long."""

_TOLD = ("completed", "incomplete", "failed", "cancelled")
"""How a response in the background may end, of which webhooks are told."""
_INSERT_RESPONSE = insert(ResponseRecord.__table__)  # type: ignore[arg-type]
_INSERT_ITEMS = insert(ResponseItemRecord.__table__)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class NewResponse:
    """A response that is on its way, as far as its caller has said. `thread_id` is None for one that begins a thread.
    One that is not `stored` is only added to its conversation.
    """

    id: str
    team_id: str
    key_id: str
    input: Sequence[Item]
    previous_id: str | None
    thread_id: str | None
    conversation_id: str | None
    stored: bool


class StoredResponses:
    def __init__(self, database: Database, *, days: int, outbox: Tells = NOBODY) -> None:
        self._database = database
        self._kept_for = timedelta(days=days)
        self._outbox = outbox

    def save(self, new: NewResponse, document: dict[str, Any]) -> None:
        """Keep the response, and add it to its conversation, in one transaction."""

        self._database.put(lambda session: self.add(session, new, document))

    def add(self, session: Session, new: NewResponse, document: dict[str, Any]) -> None:
        """As `save`, in a transaction of the caller's."""
        if new.stored:
            self.insert(session, new, document)
            _insert_items(session, new.id, new.team_id, document)
        _add_to_conversation(session, new, document)

    def insert(self, session: Session, new: NewResponse, document: dict[str, Any]) -> None:
        """The response as it is now, in a transaction of the caller's."""
        row = {
            "id": new.id,
            "team_id": new.team_id,
            "key_id": new.key_id,
            "thread_id": new.thread_id or new.id,
            "previous_id": new.previous_id,
            "conversation_id": new.conversation_id,
            "created_at": self._database.now(session),
            "status": str(document.get("status"))[:20],
            "size": size_of([new.input, _output(document)]),
            "input": list(new.input),
            "document": document,
        }
        # Past the ORM, which takes longer than the database.
        session.connection().execute(_INSERT_RESPONSE, row)

    def end(self, session: Session, id: str, document: dict[str, Any]) -> None:
        """A response that was inserted before has ended so, in a transaction of the caller's."""
        row = session.get(ResponseRecord, id)
        if row is None:
            return
        row.status, row.document = str(document.get("status"))[:20], document
        row.size += size_of(_output(document))
        _insert_items(session, id, row.team_id, document)
        new = NewResponse(
            id, row.team_id, row.key_id, row.input, row.previous_id, row.thread_id, row.conversation_id, stored=True
        )
        _add_to_conversation(session, new, document)
        if row.status in _TOLD:
            self._outbox.add(session, Event(f"response.{row.status}", row.team_id, {"id": id}))

    def retrieve(self, principal: Principal, id: str) -> dict[str, Any]:
        """The response as its caller got it, or as it is by now. Raises NotFound."""
        row = ResponseRecord
        wanted = select(row.document, row.status).where(row.id == id, row.team_id == principal.team_id)
        found = self._database.ask(lambda session: session.execute(wanted).one_or_none()) if is_id(id) else None
        if found is None:
            raise unknown_response(id)
        document: dict[str, Any] = found.document
        return {**document, "status": found.status} if document.get("background") else document

    def input_items(self, principal: Principal, id: str, page: Page) -> dict[str, Any]:
        """A page of all that went into the response, what came before it included. Raises NotFound, InvalidField."""

        def question(session: Session) -> list[Item] | None:
            links = chain_to(session, principal.team_id, id)
            return items_in(session, links, with_last_output=False) if links else None

        items = self._database.ask(question)
        if items is None:
            raise unknown_response(id)
        return page.of(items)

    def delete(self, principal: Principal, id: str) -> dict[str, Any]:
        """Forget the response. What went on from it cannot be continued then. Raises NotFound."""

        def change(session: Session) -> bool:
            row = ResponseRecord
            found = session.scalar(delete(row).where(row.id == id, row.team_id == principal.team_id).returning(row.id))
            _forget(session, [found] if found else [])
            return found is not None

        if not (is_id(id) and self._database.put(change)):
            raise unknown_response(id)
        return {"id": id, "object": "response", "deleted": True}

    def expire(self) -> int:
        """Delete the threads whose newest response is too old, in small transactions; how many responses that were."""
        deleted = 0
        while ids := self._expired():
            with self._database.write() as session:
                _forget(session, ids)
                session.execute(delete(ResponseRecord).where(ResponseRecord.id.in_(ids)))
            deleted += len(ids)
        return deleted

    def _expired(self) -> list[str]:
        row, newer = ResponseRecord, aliased(ResponseRecord)
        with self._database.read() as session:
            before: datetime = self._database.now(session) - self._kept_for
            alive = select(newer.id).where(newer.thread_id == row.thread_id, newer.created_at >= before)
            rows = session.execute(
                select(row.id, row.size).where(row.created_at < before, ~alive.exists()).limit(CHUNK_ROWS)
            ).all()
        ids: list[str] = []
        size = 0
        for id, bytes_ in rows:
            size += bytes_
            if ids and size > CHUNK_BYTES:
                break
            ids.append(id)
        return ids


def _output(document: Mapping[str, Any]) -> list[Item]:
    return [item for item in document.get("output") or () if isinstance(item, dict)]


def _insert_items(session: Session, id: str, team_id: str, document: Mapping[str, Any]) -> None:
    names = {item["id"] for item in _output(document) if is_id(item.get("id"))}
    if names:
        rows = [{"response_id": id, "item_id": name, "team_id": team_id} for name in sorted(names)]
        session.connection().execute(_INSERT_ITEMS, rows)


def _add_to_conversation(session: Session, new: NewResponse, document: Mapping[str, Any]) -> None:
    """What failed is no part of a conversation; one that was deleted meanwhile stays so."""
    if new.conversation_id and document.get("status") not in ("failed", "cancelled"):
        said = [item for item in _output(document) if is_id(item.get("id"))]
        conversation_items.append(session, new.team_id, new.conversation_id, [*new.input, *said])


def _forget(session: Session, ids: Sequence[str]) -> None:
    """What there is beside the responses with these ids."""
    for record in (ResponseItemRecord, ResponseEventsRecord):
        session.execute(delete(record).where(record.response_id.in_(ids)))
    session.execute(delete(BackgroundRecord).where(BackgroundRecord.id.in_(ids)))


def unknown_response(id: str) -> NotFound:
    return NotFound(f"There is no stored response {id[:100]!r}: it was not stored, was deleted, or has expired.")
