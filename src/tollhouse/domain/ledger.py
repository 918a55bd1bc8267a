"""What the ledger takes and gives: hold orders, holds, entries."""

from datetime import datetime

from tollhouse.domain.money import Prices
from tollhouse.domain.principal import DEFAULT_TEAM, Scope
from tollhouse.domain.usage import Usage
from tollhouse.domain.values import value

PROCESS_DIED = "process_died"
"""The outcome of an attempt whose process ended before it was settled: booked at what was known of it."""


@value
class Attempt:
    """What identifies an upstream attempt, known before it is sent; the same in a hold and its entry."""

    request_id: str
    number: int
    key_id: str
    model: str
    provider: str
    upstream_model: str
    format: str
    streamed: bool
    started_at: datetime
    team_id: str = DEFAULT_TEAM
    user_id: str | None = None
    tags: tuple[str, ...] = ()
    end_user: str | None = None
    """Whom the caller makes it for, as the call itself says."""


@value
class HoldOrder:
    """A request to hold `amount` nano-dollars in every window that applies to `scopes`.

    `bounded` says whether `amount` is a true bound of what the attempt can cost; a hard budget
    admits nothing else. `prices` are those of a prompt of `input_bound` tokens, None where they are
    not known: what is charged when the process dies before it knows more; `units` are those of `Usage`.
    """

    id: str
    attempt: Attempt
    scopes: tuple[Scope, ...]
    amount: int
    input_bound: int
    bounded: bool
    prices: Prices | None = None
    units: int = 0


@value
class Hold:
    """An admitted order, and the budget windows that it was taken from. Whoever has it settles or voids it, once."""

    id: str
    order: HoldOrder
    windows: tuple[str, ...] = ()


@value
class Entry:
    """One row of the ledger: an attempt, how it ended, and what it cost.

    `cost` is nano-dollars, None where the price is not known. `status` is the HTTP status that the
    caller saw, 0 for none; `outcome` how the exchange ended: "ok", or the code of an error. `saved` is what the
    attempt would have cost that was not made, because another's reply was given again; None for one that was made.
    """

    attempt: Attempt
    status: int
    outcome: str
    attempts: int
    usage: Usage
    prices: Prices | None
    cost: int | None
    latency_us: int
    first_token_us: int | None
    saved: int | None = None


@value
class Settlement:
    """Ends a hold: with an entry, or, when `entry` is None, as if it had never been.

    `windows` are the hold's, for when the hold is gone and what was booked for it needs correction.
    """

    hold_id: str
    entry: Entry | None = None
    windows: tuple[str, ...] = ()
