"""What a host says, on its way to the caller: read, framed, metered, worded as the caller has it, ready to go out."""

import time
from collections import deque

from tollhouse.domain.course import Course
from tollhouse.domain.errors import TollhouseError, UpstreamError, UpstreamGone, UpstreamInvalid
from tollhouse.domain.ports import Exchange
from tollhouse.services.calls.failures import Failures, unreadable
from tollhouse.services.calls.settlement import Account
from tollhouse.services.calls.taps import Tap, Tapped
from tollhouse.wire.dialects import is_error_event, is_error_text, without_last_event
from tollhouse.wire.format import Meter
from tollhouse.wire.framing import Framing, event_data
from tollhouse.wire.passthrough import Converter, Passthrough


class Relay:
    """Of one exchange. What is `ready` the caller may have; when it has `ended` nothing more comes, and `failures` know
    whether it broke off.
    """

    def __init__(
        self,
        exchange: Exchange,
        framing: Framing,
        meter: Meter,
        converter: Converter,
        failures: Failures,
        account: Account,
        course: Course,
        *,
        streamed: bool,
    ) -> None:
        """`streamed` says whether the caller asked for a stream."""
        self.meter = meter
        self.failures = failures
        self.ready: deque[bytes] = deque()
        self.ended = False
        self._exchange = exchange
        self._framing = framing
        self._converter = converter
        self._account = account
        self._course = course
        self._streamed = streamed
        self._translates = not isinstance(converter, Passthrough)
        self._provider = account.target.host.name

    @property
    def is_complete(self) -> bool:
        """Whether it has come to its end, as it says itself or as its host has."""
        return self.ended or self.meter.complete

    def watch(self, tap: Tap) -> None:
        """Let `tap` see all that goes out: what is ready, too."""
        self._converter = Tapped(self._converter, tap)
        ready = [tap.feed(out) for out in self.ready]
        if self.ended:
            ready.append(tap.finish())
        self.ready = deque([out for out in ready if out])

    def start(self, longest: int) -> None:
        """As `Reply.start`."""
        size = 0
        while True:
            chunk = self._read()
            size += len(chunk)
            self._take(chunk)
            if self.meter.started:
                # What else this chunk brought is judged as it would be had it come later.
                break
            if self.meter.refused:
                raise self.failures.rejection(self.meter)
            if self.meter.problem:
                raise UpstreamInvalid(f"The provider {self._provider} sent {self.meter.problem}.")
            if size > longest:
                raise UpstreamInvalid(f"The provider {self._provider} sent more than {longest} bytes.")
            if not chunk:
                raise UpstreamGone(f"The provider {self._provider} ended its answer before it began.")
        if not self._streamed and not self.ended:
            raise UpstreamGone(f"The provider {self._provider} ended its answer before it was whole.")
        translated = self.failures.dialect if self._translates and not self._streamed else None
        if translated and self.ready and is_error_text(self.ready[0], translated):
            # What a translation could make no answer of.
            raise UpstreamInvalid(f"The provider {self._provider} sent an answer that broke off, or none.")

    def go_on(self) -> None:
        """Read once more. Where that fails, the caller is told by what is then ready."""
        try:
            self._take(self._read())
        except UpstreamError as error:
            self._break(error)

    def read_on(self) -> None:
        """To its end, for the usage alone: nobody gets what comes."""
        try:
            while not self.is_complete:
                chunk = self._read()
                for frame in self._framing.feed(chunk) if chunk else self._framing.finish():
                    self.meter.feed(frame)
                if not chunk:
                    self.meter.finish()
                    break
        except UpstreamError as error:
            self.failures.note(error, self.meter)

    def close(self) -> None:
        """End the exchange."""
        self._exchange.close()

    def _read(self) -> bytes:
        began = time.monotonic()
        try:
            return self._exchange.read()
        finally:
            self._course.upstream += time.monotonic() - began

    def _take(self, chunk: bytes) -> None:
        if not chunk:
            self._finish()
            return
        for frame in self._framing.feed(chunk):
            self.meter.feed(frame)
            if self.meter.problem and not self.meter.refused:
                # Nobody could read it, nor trust what comes behind it.
                if self.meter.started:
                    self._break(UpstreamInvalid(f"The provider {self._provider} sent {self.meter.problem}."))
                break
            if out := self._converter.feed(frame):
                if self._translates and b'"error":{' in out and is_error_event(out):
                    self._fail(out, frame)
                    if self.ended:
                        break
                else:
                    self._give(out)
        if self.meter.first_token:
            self._account.saw_first_token()

    def _give(self, out: bytes) -> None:
        self.failures.passes(out)
        self.ready.append(out)

    def _fail(self, out: bytes, frame: bytes) -> None:
        """The translation says here that the stream has failed. Of what it could not read more is known than it says;
        in other cases what follows may yet tell the usage.
        """
        failures = self.failures
        if not (failures.told or self.meter.refused) and (problem := unreadable(event_data(frame))):
            if before := without_last_event(out):
                self._give(before)
            self._break(UpstreamInvalid(f"The provider {self._provider} sent {problem}."))
            return
        failures.told = True
        if not self.meter.refused:
            broken = UpstreamInvalid(f"The provider {self._provider} sent an answer that broke off, or none.")
            failures.note(broken, self.meter)
        self._give(out)

    def _finish(self) -> None:
        rest = []
        for frame in self._framing.finish():
            self.meter.feed(frame)
            rest.append(self._converter.feed(frame))
        self.meter.finish()
        self.ended = True
        if self.meter.first_token:
            self._account.saw_first_token()
        broken = self.meter.started and self.meter.problem
        if not broken or self.meter.refused:
            # Else it is half an event, behind which no other could be read.
            for out in filter(None, [*rest, self._converter.finish()]):
                if self._translates and self._streamed and is_error_event(out):
                    self._fail(out, b"")
                else:
                    self._give(out)
        if broken:
            self._break(UpstreamGone(f"The provider {self._provider} sent {self.meter.problem}."))

    def _break(self, error: TollhouseError) -> None:
        """What has come, has come: the client is told by an event that nothing more will."""
        self.ended = True
        if (told := self.failures.event_of(error, self.meter)) is not None:
            self.ready.append(told)
