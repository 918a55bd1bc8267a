"""One run over all batches that go to their provider's own batches, or are there."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from tollhouse import logs
from tollhouse.domain.errors import NoProviderBatch, TollhouseError, Unauthenticated
from tollhouse.domain.ports import BatchHosts, Blobs, OpenBlob
from tollhouse.domain.principal import Principal
from tollhouse.domain.routes import Host
from tollhouse.services.batches.batches import FAILED, IN_PROGRESS
from tollhouse.services.batches.call import BUDGET_SECONDS
from tollhouse.services.batches.handover.choice import LATEST, PROVIDERS_WINDOW, HandoverChoice
from tollhouse.services.batches.handover.course import Course, is_given_up
from tollhouse.services.batches.handover.desk import Desk
from tollhouse.services.batches.handover.ending import Ending
from tollhouse.services.batches.handover.gathering import Gathering
from tollhouse.services.batches.handover.keeping import Keeping
from tollhouse.services.batches.handover.lines import HandedLines
from tollhouse.services.batches.handover.parts import GATHERING, READY, Parts
from tollhouse.services.batches.handover.terms import Terms
from tollhouse.services.batches.handover.wording import LineCalls
from tollhouse.services.batches.output import BatchOutput
from tollhouse.services.keys.authentication import Authentication
from tollhouse.services.models.catalogue import CatalogueReader
from tollhouse.services.responses.responses import Responses
from tollhouse.services.responses.stored_responses import StoredResponses
from tollhouse.store.database import Database
from tollhouse.store.leases import Leases
from tollhouse.store.ledger.bulk import BulkLedger
from tollhouse.store.records import BatchRecord, HandoverRecord

LEASE_SECONDS = 30.0
KEEP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class HandoverMeans:
    """What runs work with."""

    database: Database
    blobs: Blobs
    authentication: Authentication
    catalogue: CatalogueReader
    hosts: BatchHosts
    choice: HandoverChoice
    output: BatchOutput
    responses: Responses
    stored: StoredResponses
    wake: Callable[[], object]
    """Wakes whoever calls lines here."""
    owner: str
    longest_line: int
    longest_poll: float
    asked_to_stop: Callable[[], bool]


class HandoverRun:
    """Of one thread in one process. `work` it once."""

    def __init__(self, means: HandoverMeans) -> None:
        self._means = means
        self._parts = Parts(means.database)
        self._lines = HandedLines(means.database)
        self._ledger = BulkLedger(means.database)
        self._gathering = Gathering(self._lines, self._ledger)
        self._leases = Leases(means.database)
        self._mine: str | None = None
        self._lost = threading.Event()
        self._ended = threading.Event()

    def work(self, seconds: float) -> bool:
        """Do what is due, for about so long; whether there is more that is due now."""
        until = time.monotonic() + seconds
        keeper = threading.Thread(target=self._keep, name="handover-keep", daemon=True)
        keeper.start()
        more = False
        try:
            for batch_id in self._parts.batches():
                if time.monotonic() >= until or self._means.asked_to_stop():
                    return True
                more = self._alone(batch_id, until) or more
        except SQLAlchemyError as error:
            logs.event("handover_waits", level=logs.WARNING, error=type(error).__name__)
        finally:
            self._ended.set()
            keeper.join()
            self._ledger.close()
        return more

    def _alone(self, batch_id: str, until: float) -> bool:
        """While no other process does."""
        lease = f"hand:{batch_id}"  # a name has 40 characters
        if not self._leases.take(lease, self._means.owner, LEASE_SECONDS):
            return False
        self._lost.clear()
        self._mine = lease
        try:
            while more := self._advance(batch_id, until):
                if time.monotonic() >= until or self._lost.is_set() or self._means.asked_to_stop():
                    break
            return more
        except (SQLAlchemyError, TollhouseError) as error:  # it is due again
            logs.event("handover_waits", level=logs.WARNING, batch=batch_id, error=error)
        except Exception as error:  # noqa: BLE001 - whatever it is, other batches go on
            logs.event("defect", level=logs.ERROR, batch=batch_id, error=error)
        finally:
            self._mine = None
            self._leases.release(lease, self._means.owner)
        return False

    def _keep(self) -> None:
        """An upload may take long: until it has ended, it is nobody else's."""
        while not self._ended.wait(KEEP_SECONDS):
            if (lease := self._mine) is not None:
                try:
                    if not self._leases.take(lease, self._means.owner, LEASE_SECONDS):
                        self._lost.set()
                except SQLAlchemyError as error:
                    logs.event("handover_waits", level=logs.WARNING, error=type(error).__name__)

    def _advance(self, batch_id: str, until: float) -> bool:
        if (found := self._parts.batch(batch_id)) is None:
            return False
        batch, now = found
        principal = self._principal(batch)
        stop = principal is None or batch.status != IN_PROGRESS or now >= batch.expires_at
        parts = self._parts.open(batch_id)
        for part in parts:
            at_once = stop and part.cancelled_at is None and not part.failures
            if part.state != GATHERING and (part.due_at <= now or at_once):
                self._step(batch, part, now, stop=stop)
        if principal is not None and not stop:
            more = self._gather(batch, principal, now, until)
            if more is not None:
                return more
        elif gathering := [part for part in parts if part.state == GATHERING]:
            for part in gathering:
                self._parts.change(part.id, only=GATHERING, state=READY)
            return True
        if self._parts.open(batch_id):
            return False
        self._parts.close(batch_id)
        self._means.wake()
        return False

    def _step(self, batch: BatchRecord, part: HandoverRecord, now: datetime, *, stop: bool) -> None:
        host = self._host(part)
        if host is None and not is_given_up(part, now) and not (stop and part.state == READY):
            reason = f"The provider {part.provider} is not there any more."
            self._parts.change(part.id, wait=60.0, failures=part.failures + 1, reason=reason)
            return
        host = host or Host(part.host_id, part.provider, "", "")
        here = batch.provider_batch == "auto"
        poll = self._means.longest_poll
        with closing(self._means.blobs.open(batch.input_file_id)) as blob:
            calls = self._calls(batch, part, host, blob)
            key = next((key for key in host.keys if key.id == part.host_key_id), host.keys[0] if host.keys else None)
            desk = Desk(self._means.hosts, host, key, calls.interface, longest_line=self._means.longest_line)
            end = Ending(
                part,
                self._parts,
                self._lines,
                self._ledger,
                self._gathering,
                calls,
                desk,
                leaves=here or stop,
                longest_poll=poll,
                alive=self._goes_on,
            )
            course = Course(
                part,
                self._parts,
                self._lines,
                calls,
                desk,
                end,
                here=here,
                longest_poll=poll,
                alive=self._goes_on,
                known=self._is_known,
            )
            course.step(now, stop=stop)

    def _goes_on(self) -> bool:
        return not (self._lost.is_set() or self._means.asked_to_stop())

    def _gather(self, batch: BatchRecord, principal: Principal, now: datetime, until: float) -> bool | None:
        """Whether there is more to do at once; None where nothing is left to be handed over."""
        open_ones = self._parts.open(batch.id)
        part = next((one for one in open_ones if one.state == GATHERING), None)
        if part is None:
            late = batch.provider_batch == "auto" and batch.expires_at - now < PROVIDERS_WINDOW - LATEST
            if late or not self._lines.waiting(batch.id, batch.handed_to, 1):
                return None
            if any(one.short for one in open_ones) or (batch.paused_until and batch.paused_until > now):
                return False  # there is room when that is booked
            part = self._begin(batch, principal, begun=bool(open_ones))
        if part is None:
            return None
        return self._go_on(batch, part, principal, until, alone=not [one for one in open_ones if one.id != part.id])

    def _go_on(
        self, batch: BatchRecord, part: HandoverRecord, principal: Principal, until: float, *, alone: bool
    ) -> bool:
        """Gather lines of it; whether there is more to do at once."""
        with closing(self._means.blobs.open(batch.input_file_id)) as blob:
            host = self._host(part) or Host(part.host_id, part.provider, "", "")
            calls = self._calls(batch, part, host, blob)
            strict = batch.provider_batch == "always"
            gathered = self._gathering.gather(part, calls, principal, batch.handed_to, until, strict=strict)
        if gathered.refusal is None and not gathered.whole:
            return True
        if gathered.refusal is not None and not self._parts.get(part.id).lines:
            self._gathering.let_go(part.id)
            self._parts.drop(part.id)
            if alone:
                self._pause(batch.id, gathered.refusal.message)
            return False
        short = gathered.refusal is not None
        self._parts.change(part.id, only=GATHERING, state=READY, short=short, wait=0.0)
        return True

    def _begin(self, batch: BatchRecord, principal: Principal, *, begun: bool) -> HandoverRecord | None:
        catalogue = self._means.catalogue.current
        try:
            target = self._means.choice.target(
                catalogue,
                principal,
                batch.model,
                endpoint=batch.endpoint,
                window=batch.completion_window,
                asked=batch.provider_batch,
            )
        except NoProviderBatch as error:
            self._cannot(batch, error, begun=begun)
            return None
        route = catalogue.route(batch.model or "")
        terms = Terms.of(target, route.name if route else target.model)
        host = target.host
        interface = self._means.hosts.batch_interface(host) or ""
        capped = self._gathering.capped(principal, terms.model, batch.tags)
        key = host.keys[0] if host.keys else None
        return self._parts.get(self._parts.add(batch.id, host, key, interface, terms, capped=capped))

    def _cannot(self, batch: BatchRecord, error: NoProviderBatch, *, begun: bool) -> None:
        """What could be handed over when it was validated cannot be any more."""
        logs.event("not_handed_over", level=logs.WARNING, batch=batch.id, reason=error.message)
        if batch.provider_batch == "always" and not begun:
            told = {"code": error.code, "message": error.message, "line": None, "param": error.param}
            self._means.output.begin(batch.id, FAILED, told)

    def _pause(self, batch_id: str, reason: str) -> None:
        row = BatchRecord
        with self._means.database.write() as session:
            until = self._means.database.now(session) + timedelta(seconds=BUDGET_SECONDS)
            session.execute(update(row).where(row.id == batch_id).values(paused_until=until, paused_for=reason[:500]))

    def _principal(self, batch: BatchRecord) -> Principal | None:
        try:
            owner = self._means.authentication.owner(batch.key_id, batch.team_id)
        except Unauthenticated:
            return None  # who calls its lines here says so
        return replace(owner, priority="batch")

    def _host(self, part: HandoverRecord) -> Host | None:
        """As it is now: its address and its keys may be others."""
        routes = self._means.catalogue.current.routes.values()
        hosts = (target.host for route in routes for target in route.targets)
        return next((host for host in hosts if host.id == part.host_id), None)

    def _calls(self, batch: BatchRecord, part: HandoverRecord, host: Host, blob: OpenBlob) -> LineCalls:
        keeping = Keeping(self._means.responses, self._means.stored, batch)
        return LineCalls(batch, part, host, blob, self._means.hosts.manners, keeping)

    def _is_known(self, provider_batch_id: str) -> bool:
        row = HandoverRecord
        with self._means.database.read() as session:
            return session.scalar(select(row.id).where(row.provider_batch_id == provider_batch_id)) is not None
