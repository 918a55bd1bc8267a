"""What a call goes on from, as input items: an earlier response, a conversation, single items by their ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.errors import InvalidField, NotFound, PreviousResponseNotFound
from tollhouse.services.responses import conversation_items
from tollhouse.services.responses.chain import chain_to, items_in
from tollhouse.services.responses.items import Item, is_id, is_reference
from tollhouse.store.records import ConversationItemRecord, ResponseItemRecord, ResponseRecord

_NOT_TO_GO_ON_FROM = {
    "failed": "failed; go on from the one before it",
    "cancelled": "was cancelled; go on from the one before it",
    "queued": "has not ended yet; wait for it",
    "in_progress": "has not ended yet; wait for it",
}
"""By the status of a response, why nothing can."""


@dataclass(frozen=True, slots=True)
class Context:
    """`earlier` goes before the call's own input, which is `own`. `thread_id` is that of the previous response."""

    earlier: Sequence[Item] = ()
    own: Sequence[Item] = ()
    thread_id: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a session: the context of one call of a team. `longest` is in bytes."""

    team_id: str
    own: Sequence[Item]
    previous_id: str | None
    conversation_id: str | None
    longest: int

    def __call__(self, session: Session) -> Context:
        """Raises NotFound, InvalidField; both name the field of the caller's that leads nowhere."""
        earlier: Sequence[Item] = ()
        thread_id = None
        if self.previous_id:
            earlier, thread_id = self._chain(session, self.previous_id)
        elif self.conversation_id:
            earlier = self._conversation(session, self.conversation_id)
        return Context(earlier, self._resolved(session, earlier), thread_id)

    def _chain(self, session: Session, id: str) -> tuple[list[Item], str]:
        links = chain_to(session, self.team_id, id)
        if not links:
            raise PreviousResponseNotFound(
                f"There is no stored response {id[:100]!r}: it was not stored, was deleted, or has expired.",
                param="previous_response_id",
            )
        if links[0].previous_id:
            raise PreviousResponseNotFound(
                f"The response {id[:100]!r} cannot be continued: {links[0].previous_id!r}, which came before it, was "
                "deleted.",
                param="previous_response_id",
            )
        if links[0].conversation_id:
            raise InvalidField(
                f"previous_response_id: the response {id[:100]!r} goes on from the conversation "
                f"{links[0].conversation_id!r}; name that as the conversation.",
                param="previous_response_id",
            )
        self._check(sum(link.size for link in links), "previous_response_id")
        if why := _NOT_TO_GO_ON_FROM.get(links[-1].status):
            raise InvalidField(f"previous_response_id: the response {id[:100]!r} {why}.", param="previous_response_id")
        return items_in(session, links, with_last_output=True), links[0].thread_id

    def _conversation(self, session: Session, id: str) -> list[Item]:
        if not conversation_items.exists(session, self.team_id, id):
            raise NotFound(f"There is no conversation {id[:100]!r}.", param="conversation")
        self._check(conversation_items.size_in(session, id), "conversation")
        return conversation_items.all_in(session, id)

    def _check(self, size: int, field: str) -> None:
        if size > self.longest:
            raise InvalidField(
                f"{field}: what it stands for has {size} bytes, and this gateway takes no body of more than "
                f"{self.longest}.",
                param=field,
            )

    def _resolved(self, session: Session, earlier: Sequence[Item]) -> Sequence[Item]:
        names = [item["id"] for item in self.own if is_reference(item) and is_id(item.get("id"))]
        if not any(map(is_reference, self.own)):
            return self.own
        known = {item["id"]: item for item in earlier if item.get("id") in names}
        known |= self._found(session, set(names) - known.keys())
        return [self._named(item, known, number) for number, item in enumerate(self.own)]

    def _named(self, item: Item, known: Mapping[str, Item], number: int) -> Item:
        if not is_reference(item):
            return item
        if item.get("id") not in known:
            path = f"input[{number}].id"
            raise NotFound(f"{path}: there is no stored item {str(item.get('id'))[:100]!r}.", param=path)
        return known[item["id"]]

    def _found(self, session: Session, names: set[str]) -> dict[str, Item]:
        if not names:
            return {}
        index, row, other = ResponseItemRecord, ResponseRecord, ConversationItemRecord
        documents = session.scalars(
            select(row.document)
            .join(index, index.response_id == row.id)
            .where(index.item_id.in_(names), row.team_id == self.team_id)
        )
        outputs: list[Any] = [item for document in documents for item in document.get("output") or ()]
        outputs += session.scalars(select(other.item).where(other.item_id.in_(names), other.team_id == self.team_id))
        return {item["id"]: item for item in outputs if item.get("id") in names}
