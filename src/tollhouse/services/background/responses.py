"""Responses with `background: true`, as whoever asks for them sees them: queued, streamed from where they are kept,
cancelled. `run.py` makes them.
"""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from tollhouse import logs
from tollhouse.domain.call import Call
from tollhouse.domain.errors import BadRequest, InvalidField, TollhouseError
from tollhouse.domain.principal import Principal
from tollhouse.services.background.call import as_called
from tollhouse.services.background.cancel import cancel_response
from tollhouse.services.background.claims import DONE, WAITING
from tollhouse.services.background.events import events_after, first_events
from tollhouse.services.calls.reply import Reply
from tollhouse.services.given import GivenAnswer
from tollhouse.services.responses.items import is_id
from tollhouse.services.responses.responses import Responses
from tollhouse.services.responses.stored_responses import StoredResponses, unknown_response
from tollhouse.store.database import Database
from tollhouse.store.records import BackgroundRecord, ResponseEventsRecord, ResponseRecord
from tollhouse.wire import json_text
from tollhouse.wire.responses_to_chat.response import ResponseObject

EVENTS = "text/event-stream"
PAUSES = (0.05, 0.1, 0.2, 0.25)
"""Seconds between looks whether there are more events; the last one repeats."""
SILENT_SECONDS = 15.0
"""After so long without an event a comment goes out: proxies end connections that are silent."""
PATIENCE_SECONDS = 30.0
"""How long a stream outlasts a database that is away."""
MOST_ROWS = 64

_KEEP_ALIVE = b": keep-alive\n\n"
_NO_BUFFERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}

_row, _events = BackgroundRecord, ResponseEventsRecord

Also = Callable[[Session, str], None]
"""What is done in the transaction that makes a thing, given its id."""


def nothing_more(session: Session, id: str) -> None:
    """The thing alone is made."""


class BackgroundResponses:
    """`wake` tells the workers that there is something to do; where that is lost, the scheduler tells them."""

    def __init__(
        self,
        responses: Responses,
        database: Database,
        stored: StoredResponses,
        *,
        wait_seconds: float,
        wake: Callable[[], object],
    ) -> None:
        """`wait_seconds` is how long one may wait for a worker and its limits."""
        self._responses = responses
        self._database = database
        self._stored = stored
        self._wait = timedelta(seconds=wait_seconds)
        self._wake = wake

    def open(self, principal: Principal, call: Call) -> Reply | GivenAnswer:
        """As `Responses.open`; a call that asks for the background is queued, and answered at once."""
        if not call.body.get("background"):
            return self._responses.open(principal, call)
        document = self.queue(principal, call)
        if call.body.get("stream"):
            return self._stream(principal, document["id"], -1)
        text = json_text.write(document)
        return GivenAnswer(200, "application/json", [text], {"content-length": str(len(text))})

    def queue(self, principal: Principal, call: Call, also: Also = nothing_more) -> dict[str, Any]:
        """The response as it is now, and a worker is woken for it. `also` is done in the same transaction; where it
        raises, nothing is queued.
        """
        body = call.body
        if body.get("store") is False:
            raise InvalidField(
                "store: a response in the background is stored: leave it out, or say true.", param="store"
            )
        asked = {
            "body": dict(body),
            "headers": dict(call.headers),
            "strict": call.strict,
            "tags": list(call.tags),
        }
        prepared = self._responses.prepare(principal, as_called(call.request_id, asked))
        new = prepared.new
        if new is None or not new.stored:
            raise InvalidField(
                "background: a response in the background is stored, and this gateway stores nothing "
                "(TOLLHOUSE_STORE_RESPONSES).",
                param="background",
            )
        self._responses.check(principal, prepared)
        if (trace := call.course.trace) is not None:
            asked["trace"] = [trace.parent, trace.state]
        document = ResponseObject(call).queued() | {"store": True}
        streamed = bool(body.get("stream"))

        def change(session: Session) -> None:
            self._stored.insert(session, new, document)
            row = {
                "id": new.id,
                "team_id": principal.team_id,
                "key_id": principal.key_id,
                "call": asked,
                "streamed": streamed,
                "state": WAITING,
                "attempt": 0,
                "failures": 0,
                "last_number": 1 if streamed else -1,
                "expires_at": self._database.now(session) + self._wait,
            }
            session.execute(insert(_row), row)
            if streamed:
                session.execute(
                    insert(_events), {"response_id": new.id, "first": 0, "last": 1, "events": first_events(document)}
                )
            also(session, new.id)

        self._database.put(change)
        self._wake()
        logs.event("response_queued", response=new.id, key=principal.key_id, model=call.facts.model)
        return document

    def follow(self, principal: Principal, id: str, after: int = -1) -> GivenAnswer:
        """The events behind the number `after`, those that are still to come included. Raises NotFound, BadRequest."""
        if not is_id(id):
            raise unknown_response(id)
        wanted = select(ResponseRecord.id, _row.streamed).join(_row, _row.id == ResponseRecord.id, isouter=True)
        mine = wanted.where(ResponseRecord.id == id, ResponseRecord.team_id == principal.team_id)
        found = self._database.ask(lambda session: session.execute(mine).one_or_none())
        if found is None:
            raise unknown_response(id)
        if not found.streamed:
            raise BadRequest(
                f"stream: the events of the response {id} are not kept: it was not asked for with background: true and "
                "stream: true, or ended too long ago (TOLLHOUSE_RESPONSE_EVENTS_DAYS).",
                param="stream",
            )
        return self._stream(principal, id, after)

    def cancel(self, principal: Principal, id: str) -> dict[str, Any]:
        """The response, cancelled unless it had ended. Raises NotFound, BadRequest for one of another kind."""

        def change(session: Session) -> tuple[bool, bool]:
            mine = select(_row.id).where(_row.id == id, _row.team_id == principal.team_id)
            cancelled = cancel_response(session, self._database, self._stored, principal.team_id, id)
            return cancelled or session.scalar(mine) is not None, cancelled

        known, cancelled = self._database.put(change) if is_id(id) else (False, False)
        document = self._stored.retrieve(principal, id)
        if not known:
            raise BadRequest(f"The response {id} was not made in the background: only those can be cancelled.")
        if cancelled:
            logs.event("response_cancelled", response=id, key=principal.key_id)
        return document

    def _stream(self, principal: Principal, id: str, after: int) -> GivenAnswer:
        return GivenAnswer(200, EVENTS, _Events(self._database, principal.team_id, id, after), _NO_BUFFERS, follows=id)


class _Events:
    """The events of a response as they are kept, until it has ended."""

    def __init__(self, database: Database, team_id: str, id: str, after: int) -> None:
        self._database = database
        self._mine = (_row.id == id, _row.team_id == team_id)
        self._id = id
        self._after = after

    def __iter__(self) -> Iterator[bytes]:
        looks = 0
        heard = asked = time.monotonic()
        while True:
            try:
                text, over = self._database.ask(self._look)
                asked = time.monotonic()
            except (SQLAlchemyError, TollhouseError):
                if time.monotonic() - asked > PATIENCE_SECONDS:
                    raise
                text, over = b"", False
            if text:
                looks, heard = 0, time.monotonic()
                yield text
            elif over:
                return
            else:
                if time.monotonic() - heard >= SILENT_SECONDS:
                    heard = time.monotonic()
                    yield _KEEP_ALIVE
                time.sleep(PAUSES[min(looks, len(PAUSES) - 1)])
                looks += 1

    def _look(self, session: Session) -> tuple[bytes, bool]:
        """What is new, and whether nothing comes behind it. The state is read first: what ends adds an event."""
        state = session.scalar(select(_row.state).where(*self._mine))
        if state is None:
            return b"", True  # it was deleted
        wanted = select(_events.first, _events.last, _events.events).where(
            _events.response_id == self._id, _events.last > self._after
        )
        rows = session.execute(wanted.order_by(_events.first).limit(MOST_ROWS)).all()
        text = b"".join(events_after(row.events, row.first, self._after) for row in rows)
        if rows:
            self._after = rows[-1].last
        return text, state == DONE
