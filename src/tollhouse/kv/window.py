"""What one scope has taken, in the memory of one process."""

from tollhouse.domain.limits import TICK_MS


class Window:
    """Requests and tokens by tick, oldest first, and their sums; calls that are open. Times are milliseconds."""

    __slots__ = ("_length", "_looked_at", "open", "requests", "ticks", "tokens")

    def __init__(self, length: int) -> None:
        self._length = length
        self.ticks: dict[int, list[int]] = {}
        self.requests = self.tokens = self.open = 0
        self._looked_at: int | None = None

    def forget_old(self, tick: int) -> None:
        """What has left the window by this tick. A tick is in it until the last of it may leave."""
        if tick == self._looked_at:
            return
        self._looked_at = tick
        first = tick - self._length // TICK_MS
        while self.ticks and (oldest := next(iter(self.ticks))) < first:
            requests, tokens = self.ticks.pop(oldest)
            self.requests -= requests
            self.tokens -= tokens

    def add(self, tick: int, requests: int, tokens: int) -> None:
        taken = self.ticks.setdefault(tick, [0, 0])
        taken[0] += requests
        taken[1] += tokens
        self.requests += requests
        self.tokens += tokens

    def frees_requests(self, excess: int, now: int) -> int:
        """In how many milliseconds so many requests have left the window."""
        return self._frees(0, excess, now)

    def frees_tokens(self, excess: int, now: int) -> int:
        return self._frees(1, excess, now)

    def resets(self, now: int) -> int:
        """In how many milliseconds all have."""
        return self._leaves(next(reversed(self.ticks)), now) if self.ticks else 0

    def _frees(self, which: int, excess: int, now: int) -> int:
        for tick, taken in self.ticks.items():
            excess -= taken[which]
            if excess <= 0:
                return self._leaves(tick, now)
        return self._length

    def _leaves(self, tick: int, now: int) -> int:
        return max(1, min(self._length, (tick + 1) * TICK_MS + self._length - now))
