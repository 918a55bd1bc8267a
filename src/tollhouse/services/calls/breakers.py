"""Breakers: a deployment that fails several times in a row is left alone for a while, then tried by one call.

Closed, a call costs one look into a dictionary, which has only those that failed lately.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tollhouse import logs, metrics
from tollhouse.domain.errors import DeploymentResting
from tollhouse.domain.ports import BreakerNews
from tollhouse.domain.routes import Target
from tollhouse.services.models.provider_events import DOWN, NOBODY, TellsOfProviders

IN_A_ROW_SECONDS = 60.0
"""Failures that are farther apart than this are not in a row."""
NEWS_SECONDS = 1.0
"""How old news may be: a rest that ends so soon ends by itself."""
LONGEST_REST = 8
"""By how much a rest grows at most, doubled whenever the trial after it fails."""


@dataclass(slots=True)
class Breaker:
    """Of a deployment that failed lately. Times are the clock's."""

    failures: int = 0
    failed_at: float = 0.0
    rests_until: float = 0.0
    rest: float = 0.0
    trial_until: float = 0.0
    """Half-open: until then one call is out to see how it is."""
    shared: bool = False
    """Whether all processes know of it: then any of them may close it."""


class Breakers:
    """Of all deployments, as this process sees them and others tell: a rest is shared, a trial is each one's own."""

    def __init__(
        self,
        failures: int = 0,
        seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        events: TellsOfProviders = NOBODY,
    ) -> None:
        """So many failures in a row open a breaker for so long; 0 for never."""
        self._events = events
        self._most = failures
        self._seconds = seconds
        self._clock = clock
        self._failing: dict[str, Breaker] = {}
        self._lock = threading.Lock()
        self._news: BreakerNews | None = None

    def tell(self, news: BreakerNews) -> None:
        """Tell other processes from here on, whose news come to `hear`."""
        self._news = news

    def hear(self, resting: Mapping[str, float]) -> None:
        """All that rest, in any process, and for how many seconds still."""
        now = self._clock()
        with self._lock:
            for deployment, seconds in resting.items():
                breaker = self._failing.setdefault(deployment, Breaker())
                breaker.shared = True
                if now + seconds > breaker.rests_until and not breaker.rest:
                    breaker.failures = max(breaker.failures, self._most)
                    breaker.rests_until, breaker.failed_at = now + seconds, now
            for deployment, breaker in list(self._failing.items()):
                if breaker.shared and deployment not in resting and now < breaker.rests_until - NEWS_SECONDS:
                    del self._failing[deployment]  # somebody's trial was answered

    def check(self, target: Target) -> None:
        """Raises DeploymentResting while its breaker is open, but for one call when the rest is over."""
        breaker = self._failing.get(target.deployment)
        if breaker is None or not breaker.rests_until:
            return
        now = self._clock()
        with self._lock:
            until = max(breaker.rests_until, breaker.trial_until)
            if now >= until:
                breaker.trial_until = now + self._seconds
                return
        raise DeploymentResting(
            f"The provider {target.host.name} failed {breaker.failures} times in a row for {target.model!r} and rests.",
            retry_after=until - now,
        )

    def succeeded(self, target: Target) -> None:
        """It answered: its breaker closes."""
        if self._failing and (breaker := self._failing.pop(target.deployment, None)) and breaker.rests_until:
            self._tell("breaker_closed", target, logs.INFO)
            if self._news:
                self._news.closed(target.deployment)
            metrics.BREAKERS_OPEN.labels(target.host.name, target.model).set(0)

    def failed(self, target: Target) -> None:
        """One more failure; the breaker opens at the last that it takes, and again where a trial fails."""
        if not self._most:
            return
        now = self._clock()
        with self._lock:
            breaker = self._failing.setdefault(target.deployment, Breaker())
            in_a_row = breaker.rests_until or now - breaker.failed_at <= IN_A_ROW_SECONDS
            breaker.failures = breaker.failures + 1 if in_a_row else 1
            breaker.failed_at = now
            if breaker.failures < self._most or now < breaker.rests_until:
                return  # not yet, or a call that was under way when it opened
            breaker.rest = min(2 * breaker.rest, LONGEST_REST * self._seconds) if breaker.rest else self._seconds
            breaker.rests_until, breaker.trial_until, breaker.shared = now + breaker.rest, 0.0, False
        if self._news:
            self._news.opened(target.deployment, breaker.rest)
        self._tell("breaker_opened", target, logs.WARNING, failures=breaker.failures, seconds=breaker.rest)
        metrics.BREAKERS_OPEN.labels(target.host.name, target.model).set(1)
        metrics.BREAKER_OPENINGS.labels(target.host.name, target.model).inc()
        self._events.tell(DOWN, target.host.name, f"It failed {breaker.failures} times in a row.", target.model)

    def state(self, deployment: str) -> str:
        """closed, open or half-open."""
        breaker = self._failing.get(deployment)
        if breaker is None or not breaker.rests_until:
            return "closed"
        return "open" if self._clock() < breaker.rests_until else "half-open"

    def _tell(self, event: str, target: Target, level: int, **more: object) -> None:
        logs.event(
            event,
            level=level,
            provider=target.host.name,
            model=target.model,
            upstream_model=target.upstream_model,
            deployment=target.deployment,
            **more,
        )
