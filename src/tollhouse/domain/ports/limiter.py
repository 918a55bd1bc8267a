"""Who lets calls in."""

from typing import Protocol

from tollhouse.domain.limits import LimitOrder, Taken, Verdict


class Limiter(Protocol):
    """Limits that all processes share, exactly; each process its share of them while that is not possible."""

    def take(self, order: LimitOrder) -> Verdict:
        """Let the call in under all its limits, or take nothing. Waits a quarter of a second at most."""

    def settle(self, taken: Taken, tokens: int) -> None:
        """The call has ended and used so many tokens. Returns at once; call it or `give_back` once."""

    def give_back(self, taken: Taken) -> None:
        """The call was not made: as if it had never been in. Returns at once."""

    @property
    def shared(self) -> bool:
        """Whether all processes share the limits, as far as this one has seen. Asks nobody."""
