"""What was said before: the chain of responses that end in one, read from the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from tollhouse.services.responses.items import Item, is_id
from tollhouse.store.records import ResponseRecord

_AT_ONCE = 500
"""Ids of one question."""


@dataclass(frozen=True, slots=True)
class Link:
    """One response of a chain. `size` is the bytes of all that it has."""

    id: str
    previous_id: str | None
    conversation_id: str | None
    thread_id: str
    status: str
    size: int


def chain_to(session: Session, team_id: str, id: str) -> list[Link]:
    """The chain that ends in this response, the first of it first; empty where there is no such response of the team.

    Where one before it is gone, the chain begins after that, with a link that has a `previous_id`.
    """
    if not is_id(id):
        return []
    row = ResponseRecord
    told = (row.id, row.previous_id, row.conversation_id, row.thread_id, row.status, row.size)
    last = (
        select(*told, literal(0).label("back")).where(row.id == id, row.team_id == team_id).cte("chain", recursive=True)
    )
    earlier = select(*told, last.c.back + 1).join(last, row.id == last.c.previous_id)
    chain = last.union_all(earlier.where(row.team_id == team_id))
    found = session.execute(select(chain).order_by(chain.c.back.desc()))
    return [Link(*one[: len(told)]) for one in found]


def items_in(session: Session, links: Sequence[Link], *, with_last_output: bool) -> list[Item]:
    """All that went into the chain and came out of it, in order."""
    found: dict[str, tuple[list[Item], dict[str, Any]]] = {}
    row = ResponseRecord
    for start in range(0, len(links), _AT_ONCE):
        some = [link.id for link in links[start : start + _AT_ONCE]]
        for id, given, document in session.execute(select(row.id, row.input, row.document).where(row.id.in_(some))):
            found[id] = given, document
    items: list[Item] = []
    for link in links:
        given, document = found.get(link.id, ([], {}))
        items += given
        if with_last_output or link is not links[-1]:
            items += document.get("output") or []
    return items
