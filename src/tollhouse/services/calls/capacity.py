"""How many calls may be open at once in this process: past that, new ones are refused at once, batch work first."""

from tollhouse import metrics
from tollhouse.domain.errors import Overloaded
from tollhouse.domain.principal import Priority

BATCH_SHARE = 0.75
"""Of the room, what calls of batch priority may fill: the rest is for who waits for an answer."""
RETRY_SECONDS = 1.0


class Place:
    """A call's place among the open ones. It is left once, however often that is said."""

    __slots__ = ("_capacity",)

    def __init__(self, capacity: "Capacity") -> None:
        self._capacity: Capacity | None = capacity

    def leave(self) -> None:
        capacity, self._capacity = self._capacity, None
        if capacity is not None:
            capacity.open -= 1


class Capacity:
    """Nobody waits here: a queue in front of a full house only makes all of them late. 0 is no bound."""

    def __init__(self, most: int = 0) -> None:
        self.open = 0
        self._most = {"interactive": most, "batch": int(most * BATCH_SHARE)} if most else None

    def enter(self, priority: Priority) -> Place:
        """Raises Overloaded."""
        self.check(priority)
        self.open += 1
        return Place(self)

    def check(self, priority: Priority) -> None:
        """Raise Overloaded where there is no room now."""
        if self._most is not None and self.open >= self._most[priority]:
            metrics.OVERLOAD_REFUSALS.labels(priority).inc()
            raise Overloaded(
                "This gateway has as many open calls as it can carry. Try again.", retry_after=RETRY_SECONDS
            )
