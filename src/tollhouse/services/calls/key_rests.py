"""Which of a provider's several keys a call goes out with: in turn, but for those that rest."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from tollhouse import logs, metrics
from tollhouse.domain.errors import KeysResting, UpstreamRejected
from tollhouse.domain.routes import HostKey, Target
from tollhouse.wire import json_text
from tollhouse.wire.host_error import read_host_error
from tollhouse.wire.host_limits import used_up_for

Reason = Literal["limit", "refused", "spent"]

UNTOLD_SECONDS = 5.0
"""How long a key rests that was told that it is too fast, and not until when."""
REFUSED_SECONDS = 60.0
"""Then one call tries it, for somebody may have mended it."""
SPENT_SECONDS = 300.0
"""Of a key whose money or quota is used up."""
FORESEEN_SECONDS = 60.0
"""A limit of which nothing is left turns a key down for no longer than this, whatever its reset says: most hosts tell
when all of it is there again, which is later than when some is."""
SHORTEST = 0.5
TOO_MANY = 429
_SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_ALL_MODELS = ""


@dataclass(slots=True)
class Rest:
    """Of one key, for one model or for all. Times are the clock's."""

    until: float
    reason: Reason
    sure: bool
    """Whether the host has said no; else it will, by what it last said of its limits."""


class KeyRests:
    """What this process has seen of all keys. In memory, and without a look at it while none rests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rests: dict[tuple[str, str], Rest] = {}
        self._turns: dict[str, int] = {}
        self._lock = threading.Lock()

    def choose(self, target: Target) -> HostKey | None:
        """The next in turn; None where the provider has no several. Raises KeysResting."""
        keys = target.host.keys
        if not keys:
            return None
        turn = self._turns.get(target.host.id, -1) + 1
        self._turns[target.host.id] = turn
        if not self._rests:
            return keys[turn % len(keys)]
        return self._choose(target, turn)

    def has_another(self, target: Target) -> bool:
        """Whether the call that one key failed may go out with another at once."""
        if not target.host.keys:
            return False
        now = self._clock()
        return any(not self._is_turned_down(key, target, now) for key in target.host.keys)

    def heard(self, target: Target, key: HostKey, status: int, headers: Mapping[str, str]) -> None:
        """An answer began so."""
        seconds = used_up_for(headers)
        if seconds:
            told = status == TOO_MANY  # then `failed` does
            self._rest(target, key, min(seconds, FORESEEN_SECONDS), "limit", sure=False, told=told)

    def worked(self, target: Target, key: HostKey) -> None:
        """It was taken. What was at a limit stays so until it ends: this call may have gone out before that."""
        if not self._rests:
            return
        now = self._clock()
        with self._lock:
            for where in ((key.id, _ALL_MODELS), (key.id, target.upstream_model)):
                rest = self._rests.get(where)
                if rest is not None and (rest.reason != "limit" or rest.until <= now):
                    del self._rests[where]

    def failed(self, target: Target, key: HostKey, error: UpstreamRejected) -> bool:
        """Whether it is the key that was refused, and so another may do."""
        status = error.upstream_status
        if status == 401:
            self._rest(target, key, REFUSED_SECONDS, "refused", sure=True, model=_ALL_MODELS)
        elif status == 403:
            # It may well be good for other models.
            self._rest(target, key, REFUSED_SECONDS, "refused", sure=True)
        elif status == 402 or (status == TOO_MANY and _is_spent(error)):
            self._rest(target, key, SPENT_SECONDS, "spent", sure=True, model=_ALL_MODELS)
        elif status == TOO_MANY:
            seconds = error.retry_after
            if seconds is None:
                foreseen = self._rests.get((key.id, target.upstream_model))
                seconds = foreseen.until - self._clock() if foreseen else UNTOLD_SECONDS
            self._rest(target, key, seconds, "limit", sure=True)
        else:
            return False
        return True

    def _choose(self, target: Target, turn: int) -> HostKey:
        keys, now = target.host.keys, self._clock()
        best, best_until = None, 0.0
        with self._lock:
            for step in range(len(keys)):
                key = keys[(turn + step) % len(keys)]
                rests = self._rests_of(key, target)
                if any(rest.sure and now < rest.until for rest in rests):
                    continue
                until = max((rest.until for rest in rests), default=0.0)
                if until <= now:
                    self._let_one_try(rests, now)
                    self._turns[target.host.id] = turn + step  # or all that a key would take went to the one behind it
                    return key
                if best is None or until < best_until:
                    # Nothing may be left of its limits, but the host has the last word.
                    best, best_until = key, until
            if best is not None:
                return best
            until = min(
                max(rest.until for rest in self._rests_of(key, target) if rest.sure and now < rest.until)
                for key in keys
            )
        raise KeysResting(
            f"All {len(keys)} keys of the provider {target.host.name} rest for {target.upstream_model!r}: each was at "
            "its own limit, or refused.",
            retry_after=until - now,
        )

    def _is_turned_down(self, key: HostKey, target: Target, now: float) -> bool:
        return any(rest.sure and now < rest.until for rest in self._rests_of(key, target))

    def _rests_of(self, key: HostKey, target: Target) -> list[Rest]:
        of = (self._rests.get((key.id, _ALL_MODELS)), self._rests.get((key.id, target.upstream_model)))
        return [rest for rest in of if rest is not None]

    def _let_one_try(self, rests: list[Rest], now: float) -> None:
        """A key that was refused rests on for all others."""
        for rest in rests:
            if rest.reason != "limit":
                rest.until = now + REFUSED_SECONDS

    def _rest(
        self,
        target: Target,
        key: HostKey,
        seconds: float,
        reason: Reason,
        *,
        sure: bool,
        model: str | None = None,
        told: bool = False,
    ) -> None:
        where = (key.id, target.upstream_model if model is None else model)
        now = self._clock()
        until = now + max(seconds, SHORTEST)
        with self._lock:
            known = self._rests.get(where)
            news = known is None or known.until <= now or (sure and not known.sure)
            if known is not None and known.sure and not sure and now < known.until:
                return
            self._rests[where] = Rest(until, reason, sure)
        if told or not news:
            return
        metrics.CREDENTIAL_RESTS.labels(target.host.name, reason).inc()
        logs.event(
            "provider_key_rests",
            level=logs.INFO if reason == "limit" else logs.WARNING,
            provider=target.host.name,
            provider_key=key.name,
            upstream_model=None if model == _ALL_MODELS else target.upstream_model,
            reason=reason,
            seconds=round(until - now, 1),
        )


def _is_spent(error: UpstreamRejected) -> bool:
    told = read_host_error(json_text.read_leniently(error.body), error.upstream_status)
    return told.code in _SPENT
