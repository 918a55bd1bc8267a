"""Rows of the ledger as they are shown: attempts with their times and the prices that they were made of."""

from dataclasses import dataclass
from datetime import datetime

from tollhouse.domain.money import usd_from_nanos
from tollhouse.domain.tags import split
from tollhouse.store.records import LedgerRecord


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


def booked_attempt(row: LedgerRecord) -> BookedAttempt:
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
