"""The end of one handover: what the provider answered is booked, and what it did not is left, or ends with that."""

from collections.abc import Callable
from typing import Literal

from tollhouse import logs, metrics
from tollhouse.domain.errors import UpstreamError
from tollhouse.services.batches.handover.bookings import UNREACHABLE, Bookings
from tollhouse.services.batches.handover.desk import Desk
from tollhouse.services.batches.handover.gathering import Gathering
from tollhouse.services.batches.handover.lines import HandedLines
from tollhouse.services.batches.handover.parts import ENDED, SENDING, SENT, Parts
from tollhouse.services.batches.handover.wording import LineCalls
from tollhouse.store.ledger.bulk import BulkLedger
from tollhouse.store.records import HandoverRecord
from tollhouse.wire.host_batch import HostBatch

MOST_READS = 3
"""How often results are read again that lack lines."""

Outcome = Literal["completed", "expired", "cancelled", "lost", "refused"]
_CODES: dict[str, str] = {
    "expired": "batch_expired",
    "cancelled": "batch_cancelled",
    "lost": "provider_batch_lost",
    "refused": "provider_batch_failed",
}


class Ending:
    """`leaves` says whether lines that the provider did not answer are left as they are: to be called here, or to end
    with their batch.
    """

    def __init__(
        self,
        part: HandoverRecord,
        parts: Parts,
        lines: HandedLines,
        ledger: BulkLedger,
        gathering: Gathering,
        calls: LineCalls,
        desk: Desk,
        *,
        leaves: bool,
        longest_poll: float,
        alive: Callable[[], bool],
    ) -> None:
        """`alive` is as for the course."""
        self._part = part
        self._parts = parts
        self._lines = lines
        self._ledger = ledger
        self._gathering = gathering
        self._calls = calls
        self._desk = desk
        self._leaves = leaves
        self._longest_poll = longest_poll
        self._alive = alive

    def take(self, batch: HostBatch) -> None:
        """The results of a batch that has ended there."""
        part = self._part
        bookings = self._bookings()
        for _ in bookings.take(self._desk.results(batch)):
            if not self._alive():
                return
        if bookings.strange and not bookings.mine:
            self._disown(batch)
            return
        if batch.whole and bookings.mine < part.lines and part.reads + 1 < MOST_READS:
            # It may not have written all of them yet.
            logs.event("handover_lacks_results", level=logs.WARNING, handover=part.id, lines=part.lines - bookings.mine)
            self._parts.change(part.id, reads=part.reads + 1, wait=min(self._longest_poll, 5.0 * 2**part.reads))
            return
        ending: Outcome = "completed"
        if part.cancelled_at is not None or batch.told in ("cancelled", "canceling"):
            ending = "cancelled"
        elif bookings.unmade or batch.told == "expired":
            ending = "expired"
        elif bookings.mine < part.lines:
            ending = "lost"
        self.ended(ending, batch)

    def refused(self, reason: str, batch: HostBatch | None = None) -> None:
        """The provider does none of it."""
        logs.event("handover_refused", level=logs.WARNING, handover=self._part.id, reason=reason)
        self.ended("refused", batch, reason)

    def ended(self, ending: Outcome, batch: HostBatch | None, reason: str = "") -> None:
        """What it has not answered is made here, or has ended with that."""
        part = self._part
        code = None if self._leaves else _CODES.get(ending, _CODES["lost"])
        why = f"The provider {part.provider} did not answer this line: its batch was {ending}. {reason}".strip()
        bookings = self._bookings()
        left = bookings.unbook(code, why[:500])
        self._gathering.let_go(part.id)
        self._parts.change(part.id, state=ENDED, ended_at=True, reason=reason[:500] or None)
        _count(part, ending)
        logs.event("handover_ended", handover=part.id, outcome=ending, lines=part.lines, left=left)
        if batch is not None:
            try:
                self._desk.clear(batch, part.file_id)
            except UpstreamError as error:
                logs.event("handover_not_cleared", level=logs.WARNING, handover=part.id, error=error.message)

    def undo(self) -> None:
        """It was not sent: as if it had never been."""
        part = self._part
        self._bookings().unbook(None, "")
        self._gathering.let_go(part.id)
        self._parts.change(part.id, state=ENDED, ended_at=True)

    def charge(self) -> None:
        """Nobody will ever say what became of it."""
        part = self._part
        if part.state in (SENDING, SENT):
            why = f"The provider {part.provider} has the line, and cannot be asked what became of it."
            self._bookings().charge(why)
        self._gathering.let_go(part.id)
        self._parts.change(part.id, state=ENDED, ended_at=True, reason=UNREACHABLE)
        _count(part, "lost")

    def _disown(self, batch: HostBatch) -> None:
        """It was taken for this handover, and has other lines: the right one is looked for again."""
        logs.event("handover_mistaken", level=logs.WARNING, handover=self._part.id, batch=batch.id)
        self._parts.change(
            self._part.id,
            only=SENT,
            state=SENDING,
            provider_batch_id=None,
            strangers=[*self._part.strangers, batch.id],
            wait=0.0,
        )

    def _bookings(self) -> Bookings:
        return Bookings(self._part, self._calls, self._lines, self._ledger)


def _count(part: HandoverRecord, outcome: Outcome) -> None:
    metrics.PROVIDER_BATCHES.labels(part.provider, outcome).inc()
