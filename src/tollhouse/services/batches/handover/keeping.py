"""Responses that a provider makes in its batches are kept here, as those are that are made here: a provider is told to
keep nothing, and knows none of the ids that were given out here.
"""

from typing import Any

from sqlalchemy.orm import Session

from tollhouse import logs
from tollhouse.domain.call import Call
from tollhouse.domain.errors import InvalidField, NotStored
from tollhouse.domain.principal import Principal
from tollhouse.services.calls.recording import COULD_NOT
from tollhouse.services.responses.items import is_reference, items_of
from tollhouse.services.responses.responses import Prepared, Responses
from tollhouse.services.responses.stored_responses import NewResponse, StoredResponses
from tollhouse.store.faults import is_contention, is_outage
from tollhouse.store.records import BatchRecord

_OF_HERE = ("previous_response_id", "conversation")


class Keeping:
    """Of the lines of one batch."""

    def __init__(self, responses: Responses, stored: StoredResponses, batch: BatchRecord) -> None:
        self._responses = responses
        self._stored = stored
        self._owner = Principal(batch.key_id, "", team_id=batch.team_id)

    def prepared(self, call: Call) -> Prepared:
        """The call as a provider gets it, and what is kept of its reply. InvalidField for one that needs what is kept
        here, which is called here; BadRequest for one that nobody makes.
        """
        for field in _OF_HERE:
            if call.body.get(field):
                raise _of_here(field)
        if call.body.get("background"):
            raise InvalidField("background: a batch is in the background already.", param="background")
        if any(map(is_reference, items_of(call.body.get("input")))):
            raise _of_here("input")
        return self._responses.prepare(self._owner, call)

    def keep(self, session: Session, new: NewResponse, document: dict[str, Any]) -> NotStored | None:
        """Keep the reply, in a transaction of the caller's. None where it is kept; the error is there to be told."""
        try:
            with session.begin_nested():
                self._stored.add(session, new, document)
        except Exception as error:
            if is_contention(error) or is_outage(error):
                raise
            logs.event("response_not_stored", level=logs.ERROR, response=new.id, error=error)
            return NotStored(COULD_NOT)
        return None


def _of_here(field: str) -> InvalidField:
    return InvalidField(f"{field}: it goes on from what is kept here, and at no provider.", param=field)
