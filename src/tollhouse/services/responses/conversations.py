"""Conversations: a past that calls go on from and add to. A team sees its own alone."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tollhouse.domain.errors import InvalidField, NotFound, Unsupported
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.principal import Principal
from tollhouse.services.pages import Page, shown
from tollhouse.services.responses import conversation_items
from tollhouse.services.responses.items import Item, is_id, is_reference, kept
from tollhouse.store.database import Database
from tollhouse.store.records import ConversationItemRecord, ConversationRecord
from tollhouse.wire.input_items import check_items
from tollhouse.wire.schema import RequestSchema

CHUNK_ITEMS = 200
"""What one transaction deletes at most: nobody may wait for the database long."""

_SCHEMA = RequestSchema("conversation")
_T = TypeVar("_T")
_Body = Mapping[str, Any]


class Conversations:
    """Gives and takes documents as OpenAI writes them. Everything raises NotFound for what the team does not have."""

    def __init__(self, database: Database, *, stores: bool) -> None:
        self._database = database
        self._stores = stores

    def create(self, principal: Principal, body: _Body) -> dict[str, Any]:
        """Raises InvalidField; Unsupported where this gateway stores nothing."""
        if not self._stores:
            raise Unsupported("This gateway keeps no conversations: TOLLHOUSE_STORE_RESPONSES is off.")
        items = _items(body)

        def change(session: Session) -> ConversationRecord:
            row = ConversationRecord(
                id=new_id("conv"),
                team_id=principal.team_id,
                created_at=self._database.now(session),
                labels=dict(body.get("metadata") or {}),
                last_position=0,
            )
            session.add(row)
            session.flush()
            conversation_items.append(session, principal.team_id, row.id, items)
            return row

        return _shown(self._database.put(change))

    def retrieve(self, principal: Principal, id: str) -> dict[str, Any]:
        return _shown(self._ask(principal, id, lambda session, row: row))

    def update(self, principal: Principal, id: str, body: _Body) -> dict[str, Any]:
        """Other metadata. Raises InvalidField."""
        _SCHEMA.check(body)
        if "metadata" not in body:
            raise InvalidField("metadata: this field is required.", param="metadata")

        def change(_: Session, row: ConversationRecord) -> ConversationRecord:
            row.labels = dict(body["metadata"] or {})
            return row

        return _shown(self._put(principal, id, change))

    def delete(self, principal: Principal, id: str) -> dict[str, Any]:
        """Forget the conversation, and all that was said in it."""
        self._put(principal, id, lambda session, row: session.delete(row))
        row = ConversationItemRecord
        some = select(row.position).where(row.conversation_id == id).limit(CHUNK_ITEMS)

        def change(session: Session) -> bool:
            positions = session.scalars(some).all()
            session.execute(delete(row).where(row.conversation_id == id, row.position.in_(positions)))
            return bool(positions)

        while self._database.put(change):
            pass
        return {"id": id, "object": "conversation.deleted", "deleted": True}

    def items(self, principal: Principal, id: str, page: Page) -> dict[str, Any]:
        """Raises InvalidField, too."""
        return self._ask(principal, id, lambda session, row: conversation_items.page_of(session, id, page))

    def add_items(self, principal: Principal, id: str, body: _Body) -> dict[str, Any]:
        """Add them at the end; they, as they are kept. Raises InvalidField, too."""
        if not body.get("items"):
            raise InvalidField("items: at least one item is required.", param="items")
        items = _items(body)

        def change(session: Session) -> bool:
            return conversation_items.append(session, principal.team_id, id, items)

        if not (is_id(id) and self._database.put(change)):
            raise _unknown(id)
        return shown(items, more=False)

    def item(self, principal: Principal, id: str, item_id: str) -> Item:
        return self._ask(principal, id, lambda session, row: _find_item(session, id, item_id).item)

    def delete_item(self, principal: Principal, id: str, item_id: str) -> dict[str, Any]:
        """The conversation that is left."""

        def change(session: Session, row: ConversationRecord) -> ConversationRecord:
            session.delete(_find_item(session, id, item_id))
            return row

        return _shown(self._put(principal, id, change))

    def _ask(self, principal: Principal, id: str, question: Callable[[Session, ConversationRecord], _T]) -> _T:
        return self._database.ask(lambda session: question(session, _find(session, principal, id)))

    def _put(self, principal: Principal, id: str, change: Callable[[Session, ConversationRecord], _T]) -> _T:
        return self._database.put(lambda session: change(session, _find(session, principal, id)))


def _items(body: _Body) -> list[Item]:
    _SCHEMA.check(body)
    given: list[Item] = list(body.get("items") or ())
    for number, item in enumerate(given):
        if is_reference(item):
            raise InvalidField(f"items[{number}].type: give the item itself.", param=f"items[{number}].type")
    check_items(given, "items")
    return kept(given, "items")


def _find(session: Session, principal: Principal, id: str) -> ConversationRecord:
    row = session.get(ConversationRecord, id) if is_id(id) else None
    if row is None or row.team_id != principal.team_id:
        raise _unknown(id)
    return row


def _find_item(session: Session, id: str, item_id: str) -> ConversationItemRecord:
    row = ConversationItemRecord
    wanted = select(row).where(row.conversation_id == id, row.item_id == item_id).order_by(row.position).limit(1)
    found = session.scalar(wanted) if is_id(item_id) else None
    if found is None:
        raise NotFound(f"There is no item {item_id[:100]!r} in the conversation {id}.")
    return found


def _unknown(id: str) -> NotFound:
    return NotFound(f"There is no conversation {id[:100]!r}.")


def _shown(row: ConversationRecord) -> dict[str, Any]:
    created = int(row.created_at.timestamp())
    return {"id": row.id, "object": "conversation", "created_at": created, "metadata": row.labels}
