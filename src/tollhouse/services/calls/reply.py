"""A reply: the exchange with an upstream, from the point of no return to its settlement."""

import time
from typing import Literal, Protocol

from tollhouse import crash_points
from tollhouse.domain.course import Course
from tollhouse.domain.errors import UpstreamError
from tollhouse.domain.limits import Standing
from tollhouse.domain.ports import Exchange
from tollhouse.domain.usage import Usage
from tollhouse.services.calls.failures import Failures
from tollhouse.services.calls.relay import Relay
from tollhouse.services.calls.remainders import NO_REMAINDERS, Remainders
from tollhouse.services.calls.settlement import Account
from tollhouse.services.calls.taps import Tap
from tollhouse.wire.format import Meter
from tollhouse.wire.framing import Framing
from tollhouse.wire.passthrough import Converter

CLIENT_GONE = "client_gone"
TURN_BYTES = 65_536
"""What a reply passes on at most before others have their turn: an upstream that never pauses, and a client that
always has room, would never let go of the loop."""


class Witness(Protocol):
    """Sees what the caller gets, changes nothing of it, and raises nothing."""

    def feed(self, out: bytes) -> None:
        """This is about to go to the caller."""

    def end(self, outcome: str) -> None:
        """Nothing more comes; called once."""


class Reply:
    """Iterated, it relays; closed, it settles. Whoever opened it closes it, in every case.

    An object and no generator: a generator's `finally` does not run when the client leaves before
    the first byte. `close` is idempotent.
    """

    def __init__(
        self,
        *,
        request_id: str,
        dialect: str | None,
        format: str = "",
        content_type: str,
        streamed: bool,
        cap: int | None,
        dropped: tuple[str, ...] = (),
        exchange: Exchange,
        framing: Framing,
        meter: Meter,
        converter: Converter,
        booking: Account,
        course: Course,
        remainders: Remainders = NO_REMAINDERS,
    ) -> None:
        self.request_id = request_id
        self.status = exchange.status
        self.content_type = content_type
        self.streamed = streamed
        self.cap = cap
        self.dropped = dropped
        self.headers = exchange.returned
        """Of the host's, what the caller may see."""
        self.dialect = dialect
        """None where no word of ours can stand in the reply: then its end is cut off, for the client to see."""
        self.cache: Literal["hit", "similar", "miss"] | None = None
        """Whether it was given before; None where nobody looked."""
        self.similarity: float | None = None
        """Of what was asked then, where it was not the same."""
        self.age: int | None = None
        """Seconds since that; None for one that was not."""
        self._booking = booking
        self._course = course
        self._gave_at = 0.0
        self._tap: Tap | None = None
        self._witness: Witness | None = None
        self._this_turn = 0
        self._closed = False
        self._remainders = remainders
        numbers = format == "responses" and streamed
        self._failures = Failures(request_id, dialect, booking.target.host.name, numbers=numbers)
        self._relay = Relay(exchange, framing, meter, converter, self._failures, booking, course, streamed=streamed)

    @property
    def tells_failures(self) -> bool:
        """Whether it ends with an event where it broke off; else iterating it raises UpstreamError there."""
        return self.dialect is not None

    @property
    def provider(self) -> str:
        return self._booking.target.host.name

    @property
    def model(self) -> str:
        return self._booking.target.model

    @property
    def attempts(self) -> int:
        return self._booking.attempts

    @property
    def standing(self) -> Standing | None:
        """What was left of the caller's limits when the call was let in; None where none apply."""
        return self._booking.standing

    @property
    def size(self) -> int | None:
        """Bytes that are left to read, once the whole reply is here; None before that."""
        return sum(map(len, self._relay.ready)) if self._relay.ended else None

    @property
    def account(self) -> Account:
        """What it is booked in."""
        return self._booking

    @property
    def is_complete(self) -> bool:
        """Whether it has come to its end, as it says itself or as its host has."""
        return self._relay.is_complete

    @property
    def usage(self) -> Usage:
        """What the upstream said so far that was used."""
        return self._relay.meter.usage()

    @property
    def cost(self) -> int | None:
        """Nano-dollars, once the whole reply is here; None before that, or without a price."""
        return self._booking.cost_of(self.usage) if self._relay.ended else None

    def watch(self, tap: Tap) -> None:
        """Let `tap` see all that the caller gets: what is ready, too, for nobody has got it yet. Once."""
        self._tap = tap
        self._relay.watch(tap)

    def seen_by(self, witness: Witness) -> None:
        """Show all that the caller gets to `witness`, behind whoever watches it. Once, before it is iterated."""
        self._witness = witness

    def start(self, longest: int) -> None:
        """Read up to the point of no return: until here the call may still be tried elsewhere.

        `longest` is in bytes. Raises UpstreamError, with the usage up to then.
        """
        try:
            self._relay.start(longest)
        except UpstreamError as error:
            error.usage = self.usage
            raise
        self._release()

    def __iter__(self) -> "Reply":
        return self

    def __next__(self) -> bytes:
        crash_points.reach("relaying")
        if self._gave_at:
            self._course.client += time.monotonic() - self._gave_at
            self._gave_at = 0.0
        relay = self._relay
        while not relay.ready:
            if relay.ended:
                if self._failures.first and self.dialect is None:
                    raise self._failures.first
                raise StopIteration
            relay.go_on()
            self._release()
        # What came together goes on together: one write, however many events a busy loop finds at once.
        ready = relay.ready
        chunk = ready.popleft() if len(ready) == 1 else b"".join(ready)
        ready.clear()
        self._this_turn += len(chunk)
        if self._witness is not None:
            self._witness.feed(chunk)
        if self._this_turn >= TURN_BYTES:
            self._this_turn = 0
            time.sleep(0)
        self._gave_at = time.monotonic()
        return chunk

    def read(self) -> bytes:
        """All of it, as one document or transcript; closes. Raises the error that broke it off."""
        try:
            whole = b"".join(self)
        finally:
            self.close()
        if self._failures.first:
            raise self._failures.first
        return whole

    def close(self) -> None:
        """End the exchange and settle: at what the upstream said it used, else at what is known. Where its caller has
        left, the upstream may be read to its end before.
        """
        if self._closed:
            return
        self._closed = True
        if self._gave_at:
            self._course.client += time.monotonic() - self._gave_at
        if self.outcome == CLIENT_GONE and self._remainders.take(self._read_on):
            return
        self._settle()

    def read_on(self) -> None:
        """Close it, and read the upstream to its end before: nobody has heard of it, nor will."""
        if not self._closed:
            self._closed = True
            self._read_on()

    def _read_on(self) -> None:
        try:
            self._relay.read_on()
        finally:
            self._settle(CLIENT_GONE)

    def _settle(self, outcome: str | None = None) -> None:
        try:
            self._relay.close()
        finally:
            outcome = outcome or self.outcome
            self._booking.settle(self.usage, self.status, outcome)
            if self._tap and outcome != "ok":
                self._tap.abort()
            if self._witness is not None:
                self._witness.end(outcome)

    @property
    def outcome(self) -> str:
        """How it has ended, or would if nobody read on: "ok", or the code of an error."""
        if self._relay.meter.refused:
            return UpstreamError.code
        if self._failures.first:
            return self._failures.first.code
        return "ok" if self._relay.is_complete else CLIENT_GONE

    def _release(self) -> None:
        """Before the client can know that nothing more comes: it may call again at once."""
        if self._relay.is_complete:
            self._booking.upstream_ended(self.usage)
