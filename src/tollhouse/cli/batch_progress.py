"""How a batch gets on, in a line."""

from collections import deque
from collections.abc import Mapping
from typing import Any

ENDED = ("completed", "failed", "expired", "cancelled")
SPAN_SECONDS = 15.0
"""What the rate is of."""


class BatchProgress:
    """Told now and then what the gateway says of a batch; times are monotonic seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def line(self, batch: Mapping[str, Any], now: float) -> str:
        """Status, done and failed of all, rate, cost, time left."""
        counts = batch["request_counts"]
        ended = counts["completed"] + counts["failed"]
        self._seen.append((now, ended))
        while len(self._seen) > 2 and now - self._seen[1][0] >= SPAN_SECONDS:
            self._seen.popleft()
        parts = [f"{ended}/{counts['total']} done", f"{counts['failed']} failed"]
        if (rate := self._rate()) > 0:
            parts.append(f"{rate:.3g}/s")
        parts.append(f"{batch['cost_usd']} USD")
        if rate > 0 and batch["status"] == "in_progress":
            parts.append(f"{_duration((counts['total'] - ended) / rate)} left")
        line = f"{batch['status']}: {', '.join(parts)}"
        paused = batch.get("paused")
        return f"{line} (waits: {paused['message']})" if paused else line

    def _rate(self) -> float:
        (began, first), (now, last) = self._seen[0], self._seen[-1]
        return (last - first) / (now - began) if now > began else 0.0


def _duration(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
