"""Calls of teams that keep what is asked and answered: each is watched to its end, then written down."""

from collections.abc import Callable

from tollhouse.domain.call import Call
from tollhouse.domain.errors import TollhouseError
from tollhouse.domain.principal import Principal
from tollhouse.services.calls.reply import Reply
from tollhouse.services.calls.request_notes import Payload, RequestNotes
from tollhouse.wire import json_text

TEXT = ("application/json", "text/event-stream")
"""Replies of other kinds are sound or images: of these the size is kept."""


class PayloadLog:
    """`longest` is the most bytes of a request, and of a reply, that are kept: of a longer one the size is."""

    def __init__(self, notes: RequestNotes, longest: int) -> None:
        self._notes = notes
        self._longest = longest

    def watched(self, principal: Principal, call: Call, open: Callable[[Principal, Call], Reply]) -> Reply:
        """What `open` gives; once that has ended it is kept. A call that fails before its reply begins is kept too."""
        # Written now: the body is let go once it was sent for the last time.
        request = json_text.write(call.body) if call.facts.size <= self._longest else None
        witness = Witness(self._notes, self._longest, principal.team_id, call, request)
        try:
            reply = open(principal, call)
        except TollhouseError:
            witness.end("failed")
            raise
        witness.of(reply)
        return reply


class Witness:
    """Sees what the caller gets of one reply."""

    def __init__(self, notes: RequestNotes, longest: int, team_id: str, call: Call, request: bytes | None) -> None:
        self._notes = notes
        self._room = longest
        self._team_id = team_id
        self._request_id, self._format, self._request_bytes = call.request_id, call.format, call.facts.size
        self._streamed = call.facts.stream
        self._request = request
        self._seen: list[bytes] = []
        self._size = 0
        self._is_text = False

    def of(self, reply: Reply) -> None:
        """Look at this one from here on."""
        self._is_text = reply.content_type.startswith(TEXT)
        self._streamed = reply.streamed
        reply.seen_by(self)

    def feed(self, out: bytes) -> None:
        """This is about to go to the caller."""
        self._size += len(out)
        if not self._is_text:
            return
        if self._size > self._room:
            self._is_text = False
            self._seen.clear()
        else:
            self._seen.append(out)

    def end(self, outcome: str) -> None:
        """Nothing more comes."""
        reply = b"".join(self._seen) if self._is_text and self._seen else None
        self._seen = []
        self._notes.put(
            Payload(
                self._request_id,
                self._team_id,
                self._format,
                self._request,
                self._request_bytes,
                reply,
                self._size,
                self._streamed,
                broken=outcome != "ok",
            )
        )
