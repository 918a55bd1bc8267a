"""How workers are woken."""

from typing import Protocol

QUEUE = "tollhouse"
RESPONSES_QUEUE = "tollhouse-responses"
"""Of work that takes as long as a model thinks: no other waits behind it."""
BATCHES_QUEUE = "tollhouse-batches"
"""Of work that never ends while there is a batch."""
WEBHOOKS_QUEUE = "tollhouse-webhooks"
"""Of what waits for other people's servers."""
QUEUES = (QUEUE, BATCHES_QUEUE, RESPONSES_QUEUE, WEBHOOKS_QUEUE)


class JobQueue(Protocol):
    """Wakes workers. What it loses, the scheduler asks for again."""

    def enqueue(self, kind: str) -> bool:
        """Say that there is work of this kind. False when the queue cannot be reached."""

    def ping(self) -> bool: ...

    def close(self) -> None: ...
