"""How each deployment does, as far as this process has seen: what strategies choose by. All of it is in memory."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

HALF_LIFE = 60.0
"""Seconds in which a measured latency counts half: one that was slow is tried again after a while."""
SHARE = 0.3
"""Of a new measurement in the mean."""


@dataclass(slots=True)
class Vitals:
    """Of one deployment."""

    open: int = 0
    """Attempts that are under way."""
    latencies: dict[bool, tuple[float, float]] = field(default_factory=dict)
    """By whether it was streamed: seconds to the beginning of an answer, and when that was."""


class Watch:
    """The vitals of all deployments. Threads of one loop share it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._vitals: dict[str, Vitals] = {}

    def of(self, deployment: str) -> Vitals:
        vitals = self._vitals.get(deployment)
        if vitals is None:
            vitals = self._vitals[deployment] = Vitals()
        return vitals

    def open(self, deployment: str) -> int:
        """How many attempts are under way there."""
        vitals = self._vitals.get(deployment)
        return vitals.open if vitals else 0

    def latency(self, deployment: str, *, streamed: bool) -> float:
        """Seconds to the beginning of an answer; the longer ago it was measured, the less. 0 where it never was, so
        that it is tried.
        """
        vitals = self._vitals.get(deployment)
        if vitals is None or (measured := vitals.latencies.get(streamed)) is None:
            return 0.0
        seconds, at = measured
        return seconds * math.exp2((at - self._clock()) / HALF_LIFE)

    def began(self, deployment: str, seconds: float, *, streamed: bool) -> None:
        """An answer began so long after it was asked for."""
        latencies = self.of(deployment).latencies
        before = latencies.get(streamed)
        mean = seconds if before is None else before[0] + SHARE * (seconds - before[0])
        latencies[streamed] = (mean, self._clock())

    def forget(self, kept: set[str]) -> None:
        """All but these are gone from the catalogue."""
        for gone in self._vitals.keys() - kept:
            if not self._vitals[gone].open:
                del self._vitals[gone]
