"""The items of a conversation, in their order, within a transaction of whoever asks."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.orm import Session

from tollhouse.services.pages import Page, no_such_item, shown
from tollhouse.services.responses.items import Item, is_id, size_of
from tollhouse.store.records import ConversationItemRecord, ConversationRecord


def exists(session: Session, team_id: str, conversation_id: str) -> bool:
    """Whether the team has this conversation."""
    row = ConversationRecord
    wanted = select(row.id).where(row.id == conversation_id, row.team_id == team_id)
    return is_id(conversation_id) and session.scalar(wanted) is not None


def append(session: Session, team_id: str, conversation_id: str, items: Sequence[Item]) -> bool:
    """Add the items at the end, one after another, whoever else adds some. False: there is no such conversation."""
    row = ConversationRecord
    last = session.scalar(
        update(row)
        .where(row.id == conversation_id, row.team_id == team_id)
        .values(last_position=row.last_position + len(items))
        .returning(row.last_position)
    )
    if last is None:
        return False
    rows = [
        {
            "conversation_id": conversation_id,
            "position": last - len(items) + number,
            "team_id": team_id,
            "item_id": item["id"],
            "size": size_of(item),
            "item": item,
        }
        for number, item in enumerate(items, 1)
    ]
    if rows:
        session.execute(insert(ConversationItemRecord), rows)
    return True


def size_in(session: Session, conversation_id: str) -> int:
    """Bytes of all items."""
    row = ConversationItemRecord
    return session.scalar(select(func.sum(row.size)).where(row.conversation_id == conversation_id)) or 0


def all_in(session: Session, conversation_id: str) -> list[Item]:
    """Oldest first."""
    row = ConversationItemRecord
    found = session.scalars(select(row.item).where(row.conversation_id == conversation_id).order_by(row.position))
    return list(found)


def page_of(session: Session, conversation_id: str, page: Page) -> dict[str, Any]:
    """One page of the items, as it is shown."""
    row = ConversationItemRecord
    wanted: list[ColumnElement[bool]] = [row.conversation_id == conversation_id]
    if page.after:
        named = (*wanted, row.item_id == page.after)
        place = session.scalar(select(row.position).where(*named).limit(1)) if is_id(page.after) else None
        if place is None:
            raise no_such_item(page.after)
        wanted.append(row.position > place if page.ascending else row.position < place)
    order = row.position.asc() if page.ascending else row.position.desc()
    items = session.scalars(select(row.item).where(*wanted).order_by(order).limit(page.limit + 1)).all()
    return shown(items[: page.limit], more=len(items) > page.limit)
