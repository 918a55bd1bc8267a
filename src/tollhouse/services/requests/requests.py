"""Calls as they were booked: the ledger as a log that can be searched."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, literal, select, tuple_
from sqlalchemy.orm import Session

from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField, NotFound
from tollhouse.domain.money import usd_from_nanos
from tollhouse.domain.page import Page, page_of
from tollhouse.domain.rights import Right
from tollhouse.services.payloads import KeptPayload, Payloads
from tollhouse.services.people.teams import no_team
from tollhouse.services.requests.booked_attempts import BookedAttempt, booked_attempt
from tollhouse.store.columns import Instant
from tollhouse.store.ledger.rows import CALL
from tollhouse.store.records import FailedRequestRecord, LedgerRecord, PayloadRecord
from tollhouse.store.searches import Searches

SCANNED = 500
"""Rows of which one page opens what was kept, to look for a text in it: sealed, it has no index."""


@dataclass(frozen=True, slots=True)
class ToldError:
    """What the caller was told, as far as the gateway had the words."""

    status: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One call: what it used and cost in all of its attempts, and how it ended in the last. A call that was refused
    has no attempts, and no model that it was made to.
    """

    id: str
    team_id: str
    started_at: datetime
    key_id: str
    model: str | None
    status: int
    outcome: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: str | None
    attempts: tuple[BookedAttempt, ...]
    error: ToldError | None = None
    payload: KeptPayload | None = None
    """What was asked and answered, where the team keeps it and whoever asks may see it."""


class RequestLog:
    """Shows what is of the teams whose requests somebody may see."""

    def __init__(self, searches: Searches, payloads: Payloads) -> None:
        self._searches = searches
        self._payloads = payloads

    def page(
        self,
        limit: int,
        after: str | None = None,
        *,
        team_id: str | None = None,
        key_id: str | None = None,
        user_id: str | None = None,
        end_user: str | None = None,
        model: str | None = None,
        provider: str | None = None,
        tag: str | None = None,
        request_id: str | None = None,
        status: int | None = None,
        outcome: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        min_cost: int | None = None,
        max_cost: int | None = None,
        text: str | None = None,
        by: Actor,
    ) -> Page[BookedAttempt]:
        """Rows, newest first. `since` counts, `until` does not; both costs do, in nano-dollars. With `text`, only
        of calls in which that was asked or answered, of teams that keep it: a page looks into so many calls, and so may
        have few rows, or none, and go on.

        Raises InvalidField, Forbidden, NotFound, SearchTooLong.
        """
        teams = _teams(by, team_id, Right.VIEW_REQUESTS)
        readable = None if text is None else _teams(by, team_id, Right.VIEW_PAYLOADS)
        row = LedgerRecord
        equal = (
            (row.key_id, key_id),
            (row.user_id, user_id),
            (row.end_user, end_user),
            (row.model, model),
            (row.provider, provider),
            (row.request_id, request_id),
            (row.status, status),
            (row.outcome, outcome),
        )
        conditions: list[ColumnElement[bool]] = [column == value for column, value in equal if value is not None]
        if tag is not None:
            conditions.append(row.tags.contains(f",{tag.lower()},", autoescape=True))
        if since is not None:
            conditions.append(row.booked_at >= since)
        if until is not None:
            conditions.append(row.booked_at < until)
        if min_cost is not None:
            conditions.append(row.cost >= min_cost)
        if max_cost is not None:
            conditions.append(row.cost <= max_cost)
        if text is not None:
            conditions.append(row.request_id.in_(select(PayloadRecord.request_id)))
        most = limit + 1 if text is None else SCANNED + 1
        asked = select(row).where(*conditions).order_by(row.booked_at.desc(), row.id.desc()).limit(most)
        by_other_index = key_id is not None or request_id is not None

        def find(session: Session) -> Page[BookedAttempt]:
            narrowed = asked if after is None else asked.where(*_older_than(session, after, teams))
            queries = _by_team(narrowed, teams, at_once=by_other_index)
            rows = [row for query in queries for row in session.scalars(query)]
            rows.sort(key=lambda row: (row.booked_at, row.id), reverse=True)
            if text is None:
                return page_of([booked_attempt(row) for row in rows[:most]], limit, lambda one: one.id)
            scanned = rows[:SCANNED]
            held = self._payloads.holding(session, {row.request_id for row in scanned}, readable, text)
            found = [booked_attempt(row) for row in scanned if row.request_id in held]
            if len(found) > limit:
                return page_of(found, limit, lambda one: one.id)
            return Page(found, scanned[-1].id if len(rows) > SCANNED else None)

        return self._searches.ask(find)

    def get(self, id: str, *, by: Actor) -> LoggedRequest:
        """One call, also one that was refused.

        Raises NotFound, also for one of a team that they do not see; Forbidden.
        """
        of_it = select(LedgerRecord).where(LedgerRecord.request_id == id)

        def find(session: Session) -> LoggedRequest | None:
            rows = session.scalars(of_it.order_by(LedgerRecord.attempt, LedgerRecord.id)).all()
            told = session.get(FailedRequestRecord, id)
            whole = _whole(rows) if rows else _refused(told) if told else None
            if whole is None:
                return None
            error = ToldError(told.status, told.code, told.message) if told and told.team_id == whole.team_id else None
            may_read = by.may(Right.VIEW_PAYLOADS, whole.team_id)
            return replace(whole, error=error, payload=self._payloads.find(session, id) if may_read else None)

        missing = NotFound(f"There is no request {id[:60]!r}; it may not be booked yet.", param="id")
        found = self._searches.ask(find)
        if found is None:
            raise missing
        by.require_in(found.team_id, Right.VIEW_REQUESTS, missing)
        return found


def _teams(by: Actor, team_id: str | None, right: Right) -> frozenset[str] | None:
    """The teams in which they have the right, or the one that is asked about; None for all."""
    if team_id is not None:
        by.require_in(team_id, right, no_team(team_id))
        return frozenset({team_id})
    seen = by.teams_with(right)
    if seen is not None and not seen:
        by.require(right)
    return seen


def _by_team(
    asked: Select[LedgerRecord], teams: frozenset[str] | None, *, at_once: bool
) -> Sequence[Select[LedgerRecord]]:
    """A query for each team, which then reads its own index from the end; with another index to go by, one for all."""
    if teams is None:
        return [asked]
    if at_once:
        # As an expression, for which no index is taken in the place of the other.
        return [asked.where(func.coalesce(LedgerRecord.team_id, "").in_(sorted(teams)))]
    return [asked.where(LedgerRecord.team_id == team) for team in sorted(teams)]


def _older_than(session: Session, id: str, teams: frozenset[str] | None) -> list[ColumnElement[bool]]:
    last = session.execute(select(LedgerRecord.booked_at, LedgerRecord.team_id).where(LedgerRecord.id == id)).first()
    if last is None or (teams is not None and last.team_id not in teams):
        raise InvalidField(f"after: there is no row {id[:60]!r}; send `next` of the page before.", param="after")
    booked_at = literal(last.booked_at, Instant)
    # The first is for the planner, which may not see by the second where in an index to begin.
    return [
        LedgerRecord.booked_at <= booked_at,
        tuple_(LedgerRecord.booked_at, LedgerRecord.id) < tuple_(booked_at, literal(id)),
    ]


def _whole(rows: Sequence[LedgerRecord]) -> LoggedRequest:
    last = max((row for row in rows if row.kind == CALL), key=lambda row: row.attempt, default=rows[-1])
    costs = [row.cost for row in rows if row.cost is not None]
    attempts = tuple(booked_attempt(row) for row in rows)
    return LoggedRequest(
        id=last.request_id,
        team_id=last.team_id,
        started_at=min(row.started_at for row in rows),
        key_id=last.key_id,
        model=last.model,
        status=last.status,
        outcome=last.outcome,
        input_tokens=sum(one.input_tokens for one in attempts),
        cached_tokens=sum(one.cached_tokens for one in attempts),
        output_tokens=sum(one.output_tokens for one in attempts),
        cost_usd=usd_from_nanos(sum(costs)) if costs else None,
        attempts=attempts,
    )


def _refused(told: FailedRequestRecord) -> LoggedRequest:
    return LoggedRequest(
        id=told.request_id,
        team_id=told.team_id,
        started_at=told.failed_at,
        key_id=told.key_id,
        model=None,
        status=told.status,
        outcome=told.code,
        input_tokens=0,
        cached_tokens=0,
        output_tokens=0,
        cost_usd=None,
        attempts=(),
    )
