"""Messages of troubles on their way to whoever is told: each until it has arrived, or long enough."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tollhouse import logs, metrics
from tollhouse.services.troubles.troubles import Told
from tollhouse.store.database import Database
from tollhouse.store.records import TroubleDeliveryRecord, TroubleRecord

MOST_ATTEMPTS = 12
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=15), timedelta(hours=1)
AT_ONCE = 50
LOOK_SECONDS = 2.0

Send = Callable[[Told], None]
"""Returns once the receiver has it. Whatever it raises, it is tried again later."""


class TroubleDeliveries:
    """A thread for each channel, so that a receiver that hangs holds up neither the other nor whoever looks around.

    Any number of processes may deliver: who claims a message sends it. After a crash in the middle it is sent twice.
    """

    def __init__(self, database: Database, channels: Mapping[str, Send]) -> None:
        self._database = database
        self._channels = channels
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Deliver until `stop`. Without channels there is nothing to do."""
        for name, send in self._channels.items():
            thread = threading.Thread(target=self._run, args=(name, send), name=f"troubles by {name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, seconds: float = 2.0) -> None:
        """What is under way has so long, and is sent again by whoever comes next."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(seconds)

    def at_once(self, told: Told) -> None:
        """Tell what no table can keep, to all channels, as far as they listen: without another try."""
        for name, send in self._channels.items():
            threading.Thread(target=self._tell, args=(name, send, told), name=f"trouble by {name}", daemon=True).start()

    def work_off(self, channel: str, send: Send) -> None:
        """Send what is due, until the receiver fails."""
        for row, told in self._due(channel):
            if not self._claim(row):
                continue
            delivered = self._tell(channel, send, told)
            last = not delivered and row.attempts + 1 >= MOST_ATTEMPTS
            if delivered or last:
                with self._database.write() as session:
                    ended = {"ended_at": self._database.now(session), "delivered": delivered}
                    self._change(session, row, row.attempts + 1, ended)
            if not delivered:
                return

    def _run(self, channel: str, send: Send) -> None:
        troubled = False
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                self.work_off(channel, send)
                troubled = False
            except Exception as error:  # noqa: BLE001 - the database is away, say: it is asked again
                if not troubled:
                    logs.event("troubles_not_delivered", level=logs.ERROR, channel=channel, error=error)
                troubled = True

    def _tell(self, channel: str, send: Send, told: Told) -> bool:
        try:
            send(told)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is tried again
            metrics.TROUBLE_DELIVERIES.labels(channel, "failed").inc()
            error = getattr(failure, "message", type(failure).__name__)
            logs.event("trouble_not_told", level=logs.WARNING, channel=channel, kind=told.kind, error=error)
            return False
        metrics.TROUBLE_DELIVERIES.labels(channel, "delivered").inc()
        return True

    def _due(self, channel: str) -> Sequence[tuple[TroubleDeliveryRecord, Told]]:
        row, of = TroubleDeliveryRecord, TroubleRecord
        with self._database.read() as session:
            found = session.execute(
                select(row, of)
                .join(of, of.id == row.trouble_id)
                .where(row.ended_at.is_(None), row.due_at <= self._database.now(session), row.channel == channel)
                .order_by(row.due_at, row.resolved)
                .limit(AT_ONCE)
            ).all()
        return [
            (due, Told(one.kind, one.subject, one.text, one.raised_at, one.resolved_at if due.resolved else None))
            for due, one in found
        ]

    def _claim(self, row: TroubleDeliveryRecord) -> bool:
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**row.attempts)
        with self._database.write() as session:
            due_at = self._database.now(session) + pause
            return self._change(session, row, row.attempts, {"attempts": row.attempts + 1, "due_at": due_at})

    def _change(self, session: Session, row: TroubleDeliveryRecord, attempts: int, values: dict[str, Any]) -> bool:
        record = TroubleDeliveryRecord
        done: Any = session.execute(
            update(record)
            .where(
                record.trouble_id == row.trouble_id,
                record.resolved == row.resolved,
                record.channel == row.channel,
                record.attempts == attempts,
                record.ended_at.is_(None),
            )
            .values(values),
            execution_options={"synchronize_session": False},
        )
        return bool(done.rowcount)
