"""Waking the workers through RQ. Redis may lose a wake-up; the scheduler asks again."""

import secrets
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rq import Queue

    from tollhouse.kv.connection import Presence

NEWEST = 64
"""How many waiting wake-ups are looked at: more than there are kinds."""


class RqQueue:
    """The JobQueue port. Connects when it is first used, and waits a quarter of a second at most."""

    def __init__(self, url: str) -> None:
        self._url = url

    def enqueue(self, kind: str) -> bool:
        """Wake a worker for `kind`, unless a wake-up for it waits already. False when Redis cannot be reached.

        Two callers at the same moment may both enqueue: a kind finds out itself what is due, so that is harmless.
        A wake-up that was taken from the queue, or lost with it, holds up no other.
        """
        from redis import RedisError

        from tollhouse.kv.wake_up import FAILURE_SECONDS, FUNCTION, NO_TIME_OUT, RESULT_SECONDS

        queue = self._queue
        try:
            waiting = queue.connection.lrange(queue.key, -NEWEST, -1)
            if not any(id.startswith(f"{kind}-".encode()) for id in waiting):
                queue.enqueue_call(
                    FUNCTION,
                    args=(kind,),
                    job_id=f"{kind}-{secrets.token_hex(8)}",
                    description=kind,
                    timeout=NO_TIME_OUT,
                    result_ttl=RESULT_SECONDS,
                    failure_ttl=FAILURE_SECONDS,
                )
        except RedisError as error:
            self._presence.missed(error)
            return False
        self._presence.seen()
        return True

    def ping(self) -> bool:
        """Whether Redis answers."""
        from redis import RedisError

        try:
            self._queue.connection.ping()
        except RedisError as error:
            self._presence.missed(error)
            return False
        self._presence.seen()
        return True

    @cached_property
    def _queue(self) -> "Queue":
        # These take a third of a second to import, and most commands of the command line wake nobody.
        from rq import Queue
        from rq.serializers import JSONSerializer

        from tollhouse.kv.connection import connect
        from tollhouse.kv.wake_up import QUEUE, WakeUp

        return Queue(QUEUE, connection=connect(self._url), job_class=WakeUp, serializer=JSONSerializer)

    @cached_property
    def _presence(self) -> "Presence":
        from tollhouse.kv.connection import Presence

        return Presence("queue")
