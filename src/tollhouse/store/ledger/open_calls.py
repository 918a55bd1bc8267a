"""The open calls of one process, and what is known of each: what is booked if the process dies."""

import time
from collections.abc import Callable, Iterator

from tollhouse.domain.ledger import Entry

CHECKPOINT_SECONDS = 1.0
MOST_CHECKPOINTS = 256
"""Of one transaction: keeps SQLite's write lock, and the loop, for a few milliseconds at most."""

Known = Callable[[], Entry | None]


class OpenCalls:
    """Calls that were held and are not settled. Any thread may follow and forget; one asks for news."""

    def __init__(self) -> None:
        self._calls: dict[str, _OpenCall] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def follow(self, hold_id: str, known: Known) -> None:
        self._calls[hold_id] = _OpenCall(known)

    def forget(self, hold_id: str) -> None:
        self._calls.pop(hold_id, None)

    def news(self) -> Iterator[dict[str, Entry]]:
        """By hold, what has become known since it was last said, for a transaction each; short calls have none."""
        young = time.monotonic() - CHECKPOINT_SECONDS
        news: dict[str, Entry] = {}
        for hold_id, call in list(self._calls.items()):
            if call.since > young:
                break  # the rest is younger still
            entry = call.known()
            if entry is not None and call.is_news(entry):
                news[hold_id] = entry
                if len(news) == MOST_CHECKPOINTS:
                    yield news
                    news = {}
        if news:
            yield news

    def say_again(self) -> None:
        """What was said last did not arrive."""
        for call in list(self._calls.values()):
            call.said = None


class _OpenCall:
    __slots__ = ("known", "said", "since")

    def __init__(self, known: Known) -> None:
        self.known = known
        self.since = time.monotonic()
        self.said: object = None

    def is_news(self, entry: Entry) -> bool:
        """Whether the entry differs from the one that was said last in more than how long the call takes."""
        saying = (entry.usage, entry.status, entry.attempt.provider, entry.attempt.upstream_model)
        if saying == self.said:
            return False
        self.said = saying
        return True
