"""The course of one handover: sent, found again, asked after, taken back; each step begins where the last ended."""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta

from tollhouse import crash_points, logs, metrics
from tollhouse.domain.errors import UpstreamError, UpstreamRefused, UpstreamRejected
from tollhouse.services.batches.handover.desk import Desk, Spooled
from tollhouse.services.batches.handover.ending import Ending
from tollhouse.services.batches.handover.lines import HandedLines
from tollhouse.services.batches.handover.parts import READY, SENDING, SENT, Parts
from tollhouse.services.batches.handover.wording import LineCalls
from tollhouse.store.records import HandoverRecord
from tollhouse.wire.host_batch import HostBatch

FIRST_LOOK = 2.0
"""Seconds; each look waits twice as long as the one before."""
LONGEST_PAUSE = 600.0
SEND_AGAIN = 45.0
"""Seconds for which a batch is looked for that may have been made, before it is sent again."""
CLOCKS = 120.0
"""Seconds by which a provider's clock may be behind."""
ENDS_ITSELF = timedelta(hours=24)
"""After so long a provider ends a batch."""
MOST_SENDS = 5
PASSING = (408, 409, 425, 429, 500, 502, 503, 504, 529)
"""Statuses of a provider that may be another the next time."""
MADE_ANYWAY = (408, 500, 502, 503, 504, 529)
"""Those of them after which the batch may have been made all the same."""


def is_given_up(part: HandoverRecord, now: datetime) -> bool:
    """Whether nobody will ever say what became of it."""
    if part.cancelled_at is not None and now - part.cancelled_at >= ENDS_ITSELF:
        return True
    return part.sending_at is not None and now - part.sending_at >= 2 * ENDS_ITSELF and part.failures >= MOST_SENDS


class Course:
    """`here` says whether lines that the provider did not answer are to be called here."""

    def __init__(
        self,
        part: HandoverRecord,
        parts: Parts,
        lines: HandedLines,
        calls: LineCalls,
        desk: Desk,
        end: Ending,
        *,
        here: bool,
        longest_poll: float,
        alive: Callable[[], bool],
        known: Callable[[str], bool],
    ) -> None:
        """`alive` says, now and then, whether it is still this process that is to go on; `known`, whether another
        handover is at the provider under that id.
        """
        self._part = part
        self._parts = parts
        self._lines = lines
        self._calls = calls
        self._desk = desk
        self._end = end
        self._here = here
        self._longest_poll = longest_poll
        self._alive = alive
        self._known = known

    def step(self, now: datetime, *, stop: bool) -> None:
        """Do what is due. `stop`: nothing more of it is wanted."""
        part = self._part
        if part.state == READY and stop:
            self._end.undo()
            return
        if is_given_up(part, now):
            self._end.charge()
            return
        try:
            if part.state == READY:
                self._send()
            elif part.state == SENDING:
                self._find(now)
            elif part.state == SENT:
                if stop and part.cancelled_at is None:
                    self._desk.cancel(part.provider_batch_id or "")
                    self._parts.change(part.id, cancelled_at=True, wait=0.0, looks=0)
                    self._count("cancelled")
                self._look()
        except UpstreamError as error:
            self._later(error)

    def _send(self) -> None:
        part = self._part
        begun = self._parts.change(
            part.id, only=READY, state=SENDING, sending_at=True, sends=part.sends + 1, file_id=None
        )
        if not begun:
            return
        with closing(Spooled(self._calls.interface)) as spooled:
            for line in self._lines.of(part):
                call = self._calls.call(line)
                spooled.add(self._calls.written(line, call, self._calls.choice(call)))
            if not spooled.lines:
                self._end.ended("completed", None)
                return
            spooled.seal()
            if not self._alive():
                return
            try:
                batch = self._sent(spooled)
            except UpstreamError as error:
                if not self._is_not_made(error):
                    raise
                status = error.upstream_status if isinstance(error, UpstreamRejected) else None
                if (status is None or status in PASSING) and (part.sends < MOST_SENDS or not self._here):
                    self._parts.change(part.id, only=SENDING, state=READY)
                    raise
                self._end.refused(error.message)
                return
        crash_points.reach("handover_sent")
        self._adopt(batch)
        self._count("sent")

    def _sent(self, spooled: Spooled) -> HostBatch:
        part, interface = self._part, self._calls.interface
        document = self._desk.upload(spooled, part.id)
        if not interface.uploads:
            return self._desk.read(document)
        file_id = self._desk.file_id(document)
        crash_points.reach("handover_uploaded")
        # Whoever was taken for dead meanwhile makes no batch of it.
        if not self._alive() or not self._parts.change(part.id, only=SENDING, sent=part.sends + 1, file_id=file_id):
            raise UpstreamError("Another process has gone on with this handover.")
        return self._desk.create(file_id, self._calls.format, part.id)

    def _is_not_made(self, error: UpstreamError) -> bool:
        """Whether it is certain that the provider has no such batch."""
        if isinstance(error, UpstreamRefused):
            return True
        if self._calls.interface.uploads and self._parts.get(self._part.id).file_id is None:
            return True
        return isinstance(error, UpstreamRejected) and error.upstream_status not in MADE_ANYWAY

    def _find(self, now: datetime) -> None:
        """It was begun to send it, and nobody knows whether the provider has it."""
        part = self._part
        if self._calls.interface.uploads and part.file_id is None:
            # A batch is made of a file, whose id is written down before.
            self._parts.change(part.id, only=SENDING, state=READY, wait=0.0)
            return
        begun = part.sending_at.timestamp() if part.sending_at else 0.0
        for batch in self._desk.since(begun - CLOCKS):
            if batch.mark == part.id or (batch.mark is None and self._may_be(batch)):
                self._adopt(batch)
                self._count("found")
                return
        age = now.timestamp() - begun
        if age < SEND_AGAIN:
            self._parts.change(part.id, wait=max(FIRST_LOOK, min(15.0, SEND_AGAIN - age)))
        elif part.sends >= MOST_SENDS:
            self._end.refused(part.reason or "The provider could not be reached.")
        else:
            self._parts.change(part.id, only=SENDING, state=READY, wait=0.0)

    def _may_be(self, batch: HostBatch) -> bool:
        """Whether it is ours, as far as can be told of a batch that carries no mark: its results will tell."""
        same = sum(batch.counts.values()) == self._part.lines
        uploads = self._calls.interface.uploads
        return same and not uploads and batch.id not in self._part.strangers and not self._known(batch.id)

    def _adopt(self, batch: HostBatch) -> None:
        self._parts.change(
            self._part.id,
            only=SENDING,
            state=SENT,
            sent_at=True,
            provider_batch_id=batch.id,
            provider_status=batch.told,
            counts=dict(batch.counts),
            failures=0,
            reason=None,
            wait=FIRST_LOOK,
        )
        logs.event("handed_over", handover=self._part.id, provider=self._part.provider, batch=batch.id)

    def _look(self) -> None:
        part = self._part
        batch = self._desk.look(part.provider_batch_id or "")
        wait = min(self._longest_poll, FIRST_LOOK * 2 ** min(part.looks, 20))
        self._parts.change(
            part.id,
            wait=wait,
            looks=part.looks + 1,
            failures=0,
            reason=None,
            provider_status=batch.told,
            counts=dict(batch.counts),
        )
        if batch.state == "refused":
            self._end.refused(batch.reason or "The provider does not say why.", batch)
        elif batch.state == "ended":
            self._end.take(batch)

    def _later(self, error: UpstreamError) -> None:
        part = self._parts.get(self._part.id)
        pause = min(LONGEST_PAUSE, FIRST_LOOK * 2 ** min(part.failures, 20))
        wait = max(min(pause, 5 * self._longest_poll), min(error.retry_after or 0.0, LONGEST_PAUSE))
        self._parts.change(part.id, failures=part.failures + 1, wait=wait, reason=error.message[:500])
        logs.event("handover_waits", level=logs.WARNING, handover=part.id, seconds=int(wait), error=error.message)

    def _count(self, outcome: str) -> None:
        metrics.PROVIDER_BATCHES.labels(self._part.provider, outcome).inc()
