"""Reports that schedules send: each is a row, sent once by whoever claims it, with the rights that people have then.

What fails is tried again; a process that dies in the middle of sending leaves open whether it arrived, and that is
told rather than sent a second time.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from tollhouse import logs
from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import Forbidden, InvalidField, TollhouseError, Unavailable, UpstreamError
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.principal import Principal
from tollhouse.services.reports.readers import may_read, reader, readers_among
from tollhouse.services.reports.report_delivery import PREFIX, Made, ReportDelivery
from tollhouse.services.reports.reports import check_order
from tollhouse.services.reports.subscription import Subscription, subscription_from
from tollhouse.services.reports.usage import teams_of_money
from tollhouse.store.database import Database
from tollhouse.store.records import ReportDeliveryRecord

QUEUED, COMPLETED, INCOMPLETE, FAILED, CANCELLED = "queued", "completed", "incomplete", "failed", "cancelled"
"""Incomplete is what did not reach everybody."""
LEASE = timedelta(minutes=10)
"""What one attempt has; it is renewed before anything is sent."""
PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
"""Before each further attempt."""
MAIL, WEBHOOK = "mail", "webhook"
NO_MAIL = "emails: this gateway has no mail server (TOLLHOUSE_SMTP_URL): use a `url`."
_UNPERIODED = ("usage", "latency")

_row = ReportDeliveryRecord


class Lost(Exception):
    """Somebody else has the delivery, or it was cancelled."""


class ScheduledReports:
    """`check_url` raises InvalidField for an address that nothing may be sent to; `has_mail` says whether there is a
    mail server, and `wake` tells the workers that there is something to send.
    """

    def __init__(
        self,
        database: Database,
        delivery: ReportDelivery,
        *,
        check_url: Callable[[str], None],
        has_mail: bool,
        wake: Callable[[], object],
    ) -> None:
        self._database = database
        self._delivery = delivery
        self._check_url = check_url
        self._has_mail = has_mail
        self._wake = wake

    def check(self, owner: Principal, work: Mapping[str, Any], timezone: str, by: Actor) -> None:
        """Raise TollhouseError unless this could be sent now, and both its owner and `by` may read it."""
        subscription = subscription_from(work, timezone)
        with self._database.read() as session:
            check_order(subscription.order(self._database.now(session)))
            if subscription.period is None and subscription.report in _UNPERIODED:
                raise InvalidField("period: of when it is to be, as last_week.", param="period")
            _, teams = _owner(session, owner.user_id, subscription)
            if not may_read(by, teams):
                raise Forbidden("This is a report of teams whose money you may not see.", param="team_id")
            known = readers_among(session, subscription.emails, teams)
        if subscription.emails and not self._has_mail:
            raise InvalidField(NO_MAIL, param="emails")
        if strangers := [email for email in subscription.emails if email not in known]:
            raise InvalidField(f"emails: {strangers[0]} is nobody here who may read this report.", param="emails")
        if subscription.url:
            self._check_url(subscription.url)

    def queue(
        self,
        owner: Principal,
        work: Mapping[str, Any],
        timezone: str,
        as_of: datetime,
        also: Callable[[Session, str], None],
    ) -> None:
        """Have it sent, as it is `as_of` that moment; `also` is done in the same transaction, given its id."""

        def change(session: Session) -> None:
            now = self._database.now(session)
            row = ReportDeliveryRecord(
                id=new_id(PREFIX),
                team_id=owner.team_id,
                user_id=owner.user_id,
                work=dict(work),
                timezone=timezone,
                as_of=as_of,
                state=QUEUED,
                attempt=0,
                due_at=now,
                mailed=False,
                posted=False,
                created_at=now,
            )
            session.add(row)
            session.flush()
            also(session, row.id)

        self._database.put(change)
        self._wake()

    def any_due(self) -> bool:
        """Whether there is something to send."""
        return self._next([]) is not None

    def send_due(self, seconds: float) -> bool:
        """Attempt what is due, each once, for about so long; whether there is more."""
        began, attempted = time.monotonic(), list[str]()
        while (row := self._next(attempted)) is not None:
            if attempted and time.monotonic() - began >= seconds:
                return True
            attempted.append(row.id)
            try:
                self._attempt(row)
            except Lost:
                logs.event("report_delivery_lost", delivery=row.id)
            except SQLAlchemyError as error:  # its lease runs out: it is attempted again
                logs.event("report_delivery_waits", level=logs.WARNING, delivery=row.id, error=type(error).__name__)
        return False

    def _next(self, but: list[str]) -> ReportDeliveryRecord | None:
        with self._database.read() as session:
            due = select(_row).where(_row.state == QUEUED, _row.due_at <= self._database.now(session))
            return session.scalars(due.where(_row.id.not_in(but)).order_by(_row.due_at).limit(1)).first()

    def _attempt(self, row: ReportDeliveryRecord) -> None:
        """Raises Lost, SQLAlchemyError."""
        seen, row.attempt = row.attempt, row.attempt + 1
        self._note(row, {"attempt": row.attempt}, attempt=seen)
        if row.sending is not None:
            self._end(row, f"The gateway stopped while this was sent: whether the {row.sending} arrived is not known.")
            return
        if row.attempt > len(PAUSES) + 1:
            self._end(row, "The gateway stopped each time that it made this.")
            return
        try:
            subscription, to, made = self._made(row)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this delivery's alone, and told
            self._judge(row, [("report", error)], 0)
            return
        failures: list[tuple[str, Exception]] = []
        if to and not row.mailed:
            self._send(row, MAIL, lambda: self._delivery.mail(made, to), failures)
        if subscription.url and not row.posted:
            self._send(row, WEBHOOK, lambda: self._delivery.post(made), failures)
        self._judge(row, failures, len(subscription.emails) - len(to))

    def _made(self, row: ReportDeliveryRecord) -> tuple[Subscription, list[str], Made]:
        """What is sent, and to whom of its receivers by mail. Raises what a report does, and Forbidden."""
        subscription = subscription_from(row.work, row.timezone)
        with self._database.read() as session:
            owner, teams = _owner(session, row.user_id, subscription)
            to = readers_among(session, subscription.emails, teams)
        if not (to or subscription.url):
            raise Forbidden("Nobody to whom this was to be sent may read it any more.")
        if to and not self._has_mail:
            raise InvalidField(NO_MAIL, param="emails")
        return subscription, to, self._delivery.make(row.id, subscription, row.as_of, by=owner)

    def _send(
        self, row: ReportDeliveryRecord, what: str, send: Callable[[], None], failures: list[tuple[str, Exception]]
    ) -> None:
        """Raises Lost before anything is sent."""
        self._note(row, {"sending": what})
        try:
            send()
        except Exception as error:  # noqa: BLE001 - what went wrong is told when all was tried
            failures.append((what, error))
        else:
            row.mailed, row.posted = row.mailed or what == MAIL, row.posted or what == WEBHOOK
        self._note(row, {"sending": None, "mailed": row.mailed, "posted": row.posted})

    def _judge(self, row: ReportDeliveryRecord, failures: list[tuple[str, Exception]], left_out: int) -> None:
        for what, error in failures:
            logs.event("report_not_delivered", level=logs.WARNING, delivery=row.id, channel=what, error=error)
        told = [_told(what, error) for what, error in failures]
        if left_out:
            told.append(f"Not mailed to {left_out} who may not read it any more.")
        why = " ".join(told)[:500] or None
        if any(_passes(error) for _, error in failures) and row.attempt <= len(PAUSES):
            with self._database.read() as session:
                due_at = self._database.now(session) + PAUSES[row.attempt - 1]
            self._note(row, {"due_at": due_at, "error": why})
        else:
            self._end(row, why)

    def _end(self, row: ReportDeliveryRecord, why: str | None) -> None:
        state = FAILED if not (row.mailed or row.posted) else INCOMPLETE if why else COMPLETED
        with self._database.read() as session:
            ended_at = self._database.now(session)
        kept = {"report": row.work.get("report")}
        self._note(row, {"state": state, "error": why, "ended_at": ended_at, "sending": None, "work": kept})
        logs.event("report_delivery_ended", delivery=row.id, outcome=state)

    def _note(self, row: ReportDeliveryRecord, values: Mapping[str, Any], attempt: int | None = None) -> None:
        """Write it down as long as this attempt counts, which has a lease from then on. Raises Lost."""
        mine = (_row.id == row.id, _row.state == QUEUED, _row.attempt == (row.attempt if attempt is None else attempt))
        with self._database.write() as session:
            lease = {"due_at": self._database.now(session) + LEASE}
            noted = update(_row).where(*mine).values(lease | dict(values)).returning(_row.id)
            if session.scalar(noted.execution_options(synchronize_session=False)) is None:
                raise Lost


def _owner(session: Session, user_id: str | None, subscription: Subscription) -> tuple[Actor, frozenset[str] | None]:
    """Whoever has it sent, and the teams that it tells of, as they see them now. Raises Forbidden, NotFound."""
    owner = reader(session, user_id)
    if owner is None:
        raise Forbidden("Whoever has this report sent is not here any more, or is kept out.")
    return owner, teams_of_money(owner, subscription.team_id)


def _passes(error: Exception) -> bool:
    """Whether it may go better another time."""
    return isinstance(error, (Unavailable, UpstreamError)) or not isinstance(error, TollhouseError)


def _told(what: str, error: Exception) -> str:
    if isinstance(error, TollhouseError):
        return error.message
    where = "The mail server did not take it" if what == MAIL else "The gateway failed: see its log"
    return f"{where} ({type(error).__name__})."
