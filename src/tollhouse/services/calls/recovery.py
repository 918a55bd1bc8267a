"""What dead processes left open is settled, at what is known of it."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import func, select

from tollhouse import logs, metrics
from tollhouse.domain.ledger import PROCESS_DIED, Attempt, Entry, Settlement
from tollhouse.domain.money import Prices
from tollhouse.domain.tags import split
from tollhouse.domain.usage import Usage
from tollhouse.store.database import Database
from tollhouse.store.faults import is_refusal
from tollhouse.store.instances import life_of
from tollhouse.store.ledger.budget_book import BudgetBook
from tollhouse.store.ledger.documents import read_entry
from tollhouse.store.ledger.group import commit_group
from tollhouse.store.records import HANDOVER, HoldRecord

CHUNK = 256
"""Holds of one transaction: keeps SQLite's write lock under 50 ms."""
LONGEST_GAP = 3.0
"""Seconds between two sweeps after which the database may have been away, and the living late to show it."""


class Recovery:
    """The sweep. `unknown` says what is charged of a call of which its process said nothing before it died:
    "input" (its bound), "hold" (all that was held) or "nothing".
    """

    def __init__(self, database: Database, unknown: str) -> None:
        self._database = database
        self._life = life_of(database)
        self._engine = database.ledger_engine()
        self._unknown = unknown
        self._asked_at = self._patient_until = 0.0

    def sweep(self) -> int:
        """Settle the holds of processes that are dead; how many. To be asked once a second, by one process.

        Idempotent: a hold is settled by one, whoever is first. Raises what the database raises.
        """
        now = time.monotonic()
        if now - self._asked_at > LONGEST_GAP:
            self._patient_until = now + self._life.patience
        self._asked_at = now
        return self._sweep() if now >= self._patient_until else 0

    def _sweep(self) -> int:
        owners = self._owners()
        # In this order: who had held by then was there by then, and shows that it lives as long as it does.
        dead = owners - self._life.living(owners)
        swept, refused = 0, set[str]()
        while dead and (holds := self._holds(dead, refused)):
            try:
                self._settle(holds)
                swept += len(holds)
            except Exception as error:
                if not is_refusal(error):
                    raise
                # One is to blame. It stays for the next sweep, and holds up no other.
                swept += sum(self._settle_alone(hold, refused) for hold in holds)
        return swept

    def _owners(self) -> set[str]:
        """The processes that hold anything. Each is looked up behind the one before: a handover may have a hundred
        thousand holds, which are none of theirs.
        """
        owner, owners = HoldRecord.instance_id, set[str]()
        last: str | None = ""
        with self._database.read() as session:
            while (last := session.scalar(select(func.min(owner)).where(owner > last))) is not None:
                if not last.startswith(f"{HANDOVER}_"):
                    owners.add(last)
        return owners

    def _settle_alone(self, hold: HoldRecord, refused: set[str]) -> int:
        try:
            self._settle([hold])
        except Exception as error:
            if not is_refusal(error):
                raise
            refused.add(hold.id)
            metrics.LEDGER_FAILURES.inc()
            logs.event("hold_not_swept", level=logs.ERROR, hold=hold.id, error=error)
            return 0
        return 1

    def _holds(self, instances: set[str], without: set[str]) -> Sequence[HoldRecord]:
        with self._database.read() as session:
            of_them = select(HoldRecord).where(HoldRecord.instance_id.in_(instances), HoldRecord.id.not_in(without))
            return session.scalars(of_them.order_by(HoldRecord.id).limit(CHUNK)).all()

    def _settle(self, holds: Sequence[HoldRecord]) -> None:
        settlements = [Settlement(hold.id, self._entry(hold)) for hold in holds]
        with self._engine.connect() as connection:
            commit_group(connection, BudgetBook(), "", [], settlements)
        for instance, count in Counter(hold.instance_id for hold in holds).items():
            logs.event("holds_swept", level=logs.WARNING, instance=instance, holds=count)
        for hold in holds:
            metrics.HOLDS_SWEPT.labels("checkpoint" if hold.sent_at else "unknown").inc()

    def _entry(self, hold: HoldRecord) -> Entry:
        if hold.sent_at is None:
            return self._unknown_entry(hold)
        try:
            entry = read_entry(hold.checkpoint or {})
        except (ValueError, TypeError, KeyError):  # as another version wrote it
            return self._unknown_entry(hold)
        return replace(entry, outcome=PROCESS_DIED, usage=replace(entry.usage, estimated=True))

    def _unknown_entry(self, hold: HoldRecord) -> Entry:
        prices = (hold.checkpoint or {}).get("prices")
        prices = Prices(**prices) if prices else None
        used = Usage(input=hold.input_bound, estimated=True, units=(hold.checkpoint or {}).get("units", 0))
        usage = Usage(estimated=True) if self._unknown == "nothing" else used
        cost = hold.amount if self._unknown == "hold" else prices.cost(usage) if prices else None
        return Entry(attempt_of(hold), 0, PROCESS_DIED, 1, usage, prices, cost if prices else None, 0, None)


def attempt_of(hold: HoldRecord) -> Attempt:
    """What the hold is for."""
    return Attempt(
        request_id=hold.request_id,
        number=hold.attempt,
        key_id=hold.key_id,
        model=hold.model,
        provider=hold.provider,
        upstream_model=hold.upstream_model,
        format=hold.format,
        streamed=hold.streamed,
        started_at=hold.started_at,
        team_id=hold.team_id,
        user_id=hold.user_id,
        tags=split(hold.tags),
        end_user=hold.end_user,
    )
