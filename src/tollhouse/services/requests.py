"""Calls as they were booked: the ledger as a log that can be searched."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, literal, select, tuple_
from sqlalchemy.orm import Session

from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField, NotFound
from tollhouse.domain.money import usd_from_nanos
from tollhouse.domain.page import Page, page_of
from tollhouse.domain.rights import Right
from tollhouse.domain.tags import split
from tollhouse.services.teams import no_team
from tollhouse.store.columns import Instant
from tollhouse.store.ledger.rows import CALL
from tollhouse.store.records import LedgerRecord
from tollhouse.store.searches import Searches


@dataclass(frozen=True, slots=True)
class UnitPrices:
    """US dollars per million tokens, as they were when the attempt was made, and per thousand units of another kind:
    images, seconds, characters, searches; None where that is not what was priced.
    """

    input: str | None
    cache_read: str | None
    cache_write: str | None
    output: str | None
    per_thousand_units: str | None


@dataclass(frozen=True, slots=True)
class BookedAttempt:
    """A row of the ledger: one attempt at a provider, or a correction of one. `cost_usd` is None without a price;
    `saved_usd`, what the attempt would have cost, where none was made because a reply was given again.
    """

    id: str
    kind: str
    request_id: str
    attempt: int
    booked_at: datetime
    started_at: datetime
    team_id: str
    key_id: str
    user_id: str | None
    end_user: str | None
    tags: tuple[str, ...]
    model: str
    provider: str
    upstream_model: str
    format: str
    streamed: bool
    status: int
    outcome: str
    attempts: int
    input_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    units: float
    estimated: bool
    cost_usd: str | None
    saved_usd: str | None
    latency_ms: float
    first_token_ms: float | None
    prices: UnitPrices | None


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One call: what it used and cost in all of its attempts, and how it ended in the last."""

    id: str
    team_id: str
    started_at: datetime
    model: str
    status: int
    outcome: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: str | None
    attempts: tuple[BookedAttempt, ...]


class RequestLog:
    """Shows what is of the teams whose requests somebody may see."""

    def __init__(self, searches: Searches) -> None:
        self._searches = searches

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
        by: Actor,
    ) -> Page[BookedAttempt]:
        """Rows, newest first. `since` counts, `until` does not; both costs do, in nano-dollars.

        Raises InvalidField, Forbidden, NotFound, SearchTooLong.
        """
        teams = _teams(by, team_id)
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
        asked = select(row).where(*conditions).order_by(row.booked_at.desc(), row.id.desc()).limit(limit + 1)
        by_other_index = key_id is not None or request_id is not None

        def find(session: Session) -> list[BookedAttempt]:
            narrowed = asked if after is None else asked.where(*_older_than(session, after, teams))
            queries = _by_team(narrowed, teams, at_once=by_other_index)
            rows = [row for query in queries for row in session.scalars(query)]
            rows.sort(key=lambda row: (row.booked_at, row.id), reverse=True)
            return [_shown(row) for row in rows[: limit + 1]]

        return page_of(self._searches.ask(find), limit, lambda one: one.id)

    def get(self, id: str, *, by: Actor) -> LoggedRequest:
        """One call. Raises NotFound, also for one of a team that they do not see; Forbidden."""
        of_it = select(LedgerRecord).where(LedgerRecord.request_id == id)

        def find(session: Session) -> LoggedRequest | None:
            rows = session.scalars(of_it.order_by(LedgerRecord.attempt, LedgerRecord.id)).all()
            return _whole(rows) if rows else None

        missing = NotFound(f"There is no request {id[:60]!r}; it may not be booked yet.", param="id")
        found = self._searches.ask(find)
        if found is None:
            raise missing
        by.require_in(found.team_id, Right.VIEW_REQUESTS, missing)
        return found


def _teams(by: Actor, team_id: str | None) -> frozenset[str] | None:
    """The teams whose requests they may see, or the one that is asked about; None for all."""
    if team_id is not None:
        by.require_in(team_id, Right.VIEW_REQUESTS, no_team(team_id))
        return frozenset({team_id})
    seen = by.teams_with(Right.VIEW_REQUESTS)
    if seen is not None and not seen:
        by.require(Right.VIEW_REQUESTS)
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
    attempts = tuple(_shown(row) for row in rows)
    return LoggedRequest(
        id=last.request_id,
        team_id=last.team_id,
        started_at=min(row.started_at for row in rows),
        model=last.model,
        status=last.status,
        outcome=last.outcome,
        input_tokens=sum(one.input_tokens for one in attempts),
        cached_tokens=sum(one.cached_tokens for one in attempts),
        output_tokens=sum(one.output_tokens for one in attempts),
        cost_usd=usd_from_nanos(sum(costs)) if costs else None,
        attempts=attempts,
    )


def _shown(row: LedgerRecord) -> BookedAttempt:
    return BookedAttempt(
        id=row.id,
        kind=row.kind,
        request_id=row.request_id,
        attempt=row.attempt,
        booked_at=row.booked_at,
        started_at=row.started_at,
        team_id=row.team_id,
        key_id=row.key_id,
        user_id=row.user_id,
        end_user=row.end_user,
        tags=split(row.tags),
        model=row.model,
        provider=row.provider,
        upstream_model=row.upstream_model,
        format=row.format,
        streamed=row.streamed,
        status=row.status,
        outcome=row.outcome,
        attempts=row.attempts,
        input_tokens=row.input_tokens + row.cache_read_tokens + row.cache_write_tokens,
        cached_tokens=row.cache_read_tokens,
        cache_write_tokens=row.cache_write_tokens,
        output_tokens=row.output_tokens,
        reasoning_tokens=row.reasoning_tokens,
        units=row.units / 1000,
        estimated=row.estimated,
        cost_usd=_usd(row.cost),
        saved_usd=_usd(row.saved),
        latency_ms=row.latency_us / 1000,
        first_token_ms=None if row.first_token_us is None else row.first_token_us / 1000,
        prices=_prices(row),
    )


def _prices(row: LedgerRecord) -> UnitPrices | None:
    if row.input_price is None and row.unit_price is None:
        return None
    return UnitPrices(
        _usd(row.input_price),
        _usd(row.cache_read_price),
        _usd(row.cache_write_price),
        _usd(row.output_price),
        _usd(row.unit_price),
    )


def _usd(nanos: int | None) -> str | None:
    return None if nanos is None else usd_from_nanos(nanos)
