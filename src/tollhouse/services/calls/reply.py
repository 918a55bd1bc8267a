"""A reply: the exchange with an upstream, from the point of no return to its settlement."""

import time
from collections import deque
from typing import Literal, Protocol

from tollhouse import crash_points
from tollhouse.domain.course import Course
from tollhouse.domain.errors import (
    TollhouseError,
    UpstreamError,
    UpstreamGone,
    UpstreamInvalid,
)
from tollhouse.domain.limits import Standing
from tollhouse.domain.ports import Exchange
from tollhouse.domain.usage import Usage
from tollhouse.services.calls.failures import Failures, unreadable
from tollhouse.services.calls.remainders import NO_REMAINDERS, Remainders
from tollhouse.services.calls.settlement import Account
from tollhouse.services.calls.taps import Tap, Tapped
from tollhouse.wire.dialects import is_error_event, is_error_text, without_last_event
from tollhouse.wire.format import Meter
from tollhouse.wire.framing import Framing, event_data
from tollhouse.wire.passthrough import Converter, Passthrough

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
        self._exchange = exchange
        self._framing = framing
        self._meter = meter
        self._converter = converter
        self._booking = booking
        self._course = course
        self._gave_at = 0.0
        self._tap: Tap | None = None
        self._witness: Witness | None = None
        self._ready: deque[bytes] = deque()
        self._this_turn = 0
        self._ended = self._closed = False
        self._remainders = remainders
        self._translates = not isinstance(converter, Passthrough)
        self._failures = Failures(
            request_id, dialect, booking.target.host.name, numbers=format == "responses" and streamed
        )

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
        return sum(map(len, self._ready)) if self._ended else None

    @property
    def account(self) -> Account:
        """What it is booked in."""
        return self._booking

    @property
    def is_complete(self) -> bool:
        """Whether it has come to its end, as it says itself or as its host has."""
        return self._ended or self._meter.complete

    @property
    def usage(self) -> Usage:
        """What the upstream said so far that was used."""
        return self._meter.usage()

    @property
    def cost(self) -> int | None:
        """Nano-dollars, once the whole reply is here; None before that, or without a price."""
        return self._booking.cost_of(self._meter.usage()) if self._ended else None

    def watch(self, tap: Tap) -> None:
        """Let `tap` see all that the caller gets: what is ready, too, for nobody has got it yet. Once."""
        self._tap, self._converter = tap, Tapped(self._converter, tap)
        ready = [tap.feed(out) for out in self._ready]
        if self._ended:
            ready.append(tap.finish())
        self._ready = deque([out for out in ready if out])

    def seen_by(self, witness: Witness) -> None:
        """Show all that the caller gets to `witness`, behind whoever watches it. Once, before it is iterated."""
        self._witness = witness

    def start(self, longest: int) -> None:
        """Read up to the point of no return: until here the call may still be tried elsewhere.

        `longest` is in bytes. Raises UpstreamError, with the usage up to then.
        """
        try:
            self._start(longest)
        except UpstreamError as error:
            error.usage = self._meter.usage()
            raise
        self._release()

    def _start(self, longest: int) -> None:
        size = 0
        while True:
            chunk = self._read()
            size += len(chunk)
            self._take(chunk)
            if self._meter.started:
                # What else this chunk brought is judged as it would be had it come later.
                break
            if self._meter.refused:
                raise self._failures.rejection(self._meter)
            if self._meter.problem:
                raise UpstreamInvalid(f"The provider {self.provider} sent {self._meter.problem}.")
            if size > longest:
                raise UpstreamInvalid(f"The provider {self.provider} sent more than {longest} bytes.")
            if not chunk:
                raise UpstreamGone(f"The provider {self.provider} ended its answer before it began.")
        if not self.streamed and not self._ended:
            raise UpstreamGone(f"The provider {self.provider} ended its answer before it was whole.")
        translated = self.dialect if self._translates and not self.streamed else None
        if translated and self._ready and is_error_text(self._ready[0], translated):
            # What a translation could make no answer of.
            raise UpstreamInvalid(f"The provider {self.provider} sent an answer that broke off, or none.")

    def __iter__(self) -> "Reply":
        return self

    def __next__(self) -> bytes:
        crash_points.reach("relaying")
        if self._gave_at:
            self._course.client += time.monotonic() - self._gave_at
            self._gave_at = 0.0
        while not self._ready:
            if self._ended:
                if self._failures.first and self.dialect is None:
                    raise self._failures.first
                raise StopIteration
            try:
                self._take(self._read())
            except UpstreamError as error:
                self._break(error)
            self._release()
        # What came together goes on together: one write, however many events a busy loop finds at once.
        chunk = self._ready.popleft() if len(self._ready) == 1 else b"".join(self._ready)
        self._ready.clear()
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

    def _read(self) -> bytes:
        began = time.monotonic()
        try:
            return self._exchange.read()
        finally:
            self._course.upstream += time.monotonic() - began

    def _read_on(self) -> None:
        """For the usage alone: nobody gets what comes."""
        try:
            while not (self._ended or self._meter.complete):
                chunk = self._read()
                for frame in self._framing.feed(chunk) if chunk else self._framing.finish():
                    self._meter.feed(frame)
                if not chunk:
                    self._meter.finish()
                    break
        except UpstreamError as error:
            self._failures.note(error, self._meter)
        finally:
            self._settle(CLIENT_GONE)

    def _settle(self, outcome: str | None = None) -> None:
        try:
            self._exchange.close()
        finally:
            outcome = outcome or self.outcome
            self._booking.settle(self._meter.usage(), self.status, outcome)
            if self._tap and outcome != "ok":
                self._tap.abort()
            if self._witness is not None:
                self._witness.end(outcome)

    @property
    def outcome(self) -> str:
        """How it has ended, or would if nobody read on: "ok", or the code of an error."""
        if self._meter.refused:
            return UpstreamError.code
        if self._failures.first:
            return self._failures.first.code
        return "ok" if self._ended or self._meter.complete else CLIENT_GONE

    def _release(self) -> None:
        """Before the client can know that nothing more comes: it may call again at once."""
        if self._ended or self._meter.complete:
            self._booking.upstream_ended(self._meter.usage())

    def _take(self, chunk: bytes) -> None:
        if not chunk:
            self._finish()
            return
        for frame in self._framing.feed(chunk):
            self._meter.feed(frame)
            if self._meter.problem and not self._meter.refused:
                # Nobody could read it, nor trust what comes behind it.
                if self._meter.started:
                    self._break(UpstreamInvalid(f"The provider {self.provider} sent {self._meter.problem}."))
                break
            if out := self._converter.feed(frame):
                if self._translates and b'"error":{' in out and is_error_event(out):
                    self._fail(out, frame)
                    if self._ended:
                        break
                else:
                    self._give(out)
        if self._meter.first_token:
            self._booking.saw_first_token()

    def _give(self, out: bytes) -> None:
        self._failures.passes(out)
        self._ready.append(out)

    def _fail(self, out: bytes, frame: bytes) -> None:
        """The translation says here that the stream has failed. Of what it could not read more is known than it says;
        in other cases what follows may yet tell the usage.
        """
        if not (self._failures.told or self._meter.refused) and (problem := unreadable(event_data(frame))):
            if before := without_last_event(out):
                self._give(before)
            self._break(UpstreamInvalid(f"The provider {self.provider} sent {problem}."))
            return
        self._failures.told = True
        if not self._meter.refused:
            broken = UpstreamInvalid(f"The provider {self.provider} sent an answer that broke off, or none.")
            self._failures.note(broken, self._meter)
        self._give(out)

    def _finish(self) -> None:
        rest = []
        for frame in self._framing.finish():
            self._meter.feed(frame)
            rest.append(self._converter.feed(frame))
        self._meter.finish()
        self._ended = True
        if self._meter.first_token:
            self._booking.saw_first_token()
        broken = self._meter.started and self._meter.problem
        if not broken or self._meter.refused:
            # Else it is half an event, behind which no other could be read.
            for out in filter(None, [*rest, self._converter.finish()]):
                if self._translates and self.streamed and is_error_event(out):
                    self._fail(out, b"")
                else:
                    self._give(out)
        if broken:
            self._break(UpstreamGone(f"The provider {self.provider} sent {self._meter.problem}."))

    def _break(self, error: TollhouseError) -> None:
        """What has come, has come: the client is told by an event that nothing more will."""
        self._ended = True
        if (told := self._failures.event_of(error, self._meter)) is not None:
            self._ready.append(told)
