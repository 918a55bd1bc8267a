"""How long an upstream call may wait, and the errors for when it did."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

from tollhouse.domain.errors import UpstreamTimeout
from tollhouse.domain.routes import AS_SET, Timeouts
from tollhouse.settings import Settings


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds. `first_byte` runs from the connection to the first byte of the body, `idle` between two reads
    of it, `total` from the beginning to the end.
    """

    connect: float
    first_byte: float
    idle: float
    total: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            connect=settings.connect_seconds,
            first_byte=settings.first_byte_seconds,
            idle=settings.idle_seconds,
            total=settings.total_seconds,
        )

    def under(self, own: Timeouts) -> "Deadlines":
        """These, but for what a model has of its own."""
        return self if own is AS_SET else _under(self, own)

    def first_byte_passed(self, name: str) -> UpstreamTimeout:
        return UpstreamTimeout(f"Provider {name} said nothing for {self.first_byte:g} s (first-byte deadline).")

    def idle_passed(self, name: str) -> UpstreamTimeout:
        return UpstreamTimeout(f"Provider {name} fell silent for {self.idle:g} s mid-reply (idle deadline).")

    def total_passed(self, name: str) -> UpstreamTimeout:
        return UpstreamTimeout(f"Provider {name} did not finish within {self.total:g} s (total deadline).")


@lru_cache(1024)
def _under(deadlines: Deadlines, own: Timeouts) -> Deadlines:
    given = {name: seconds for name in ("connect", "first_byte", "idle", "total") if (seconds := getattr(own, name))}
    return replace(deadlines, **given)
