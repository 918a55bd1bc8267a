"""Waking the workers through RQ. Redis may lose a wake-up; the scheduler asks again."""

import secrets
from collections.abc import Callable

from redis import RedisError
from rq import Queue
from rq.serializers import JSONSerializer

from tollhouse.domain.ports import QUEUE, QUEUES
from tollhouse.kv.connection import Presence, connect
from tollhouse.kv.wake_up import FAILURE_SECONDS, FUNCTION, NO_TIME_OUT, RESULT_SECONDS, WakeUp

NEWEST = 64
"""How many waiting wake-ups are looked at: more than there are kinds."""


class RqQueue:
    """The JobQueue port. Connects when it is first used, and waits a quarter of a second at most."""

    def __init__(self, url: str, queue_of: Callable[[str], str] = lambda _: QUEUE) -> None:
        """`queue_of` a kind is one of QUEUES."""
        self._redis = connect(url)
        self._queue_of = queue_of
        self._queues = {
            name: Queue(name, connection=self._redis, job_class=WakeUp, serializer=JSONSerializer) for name in QUEUES
        }
        self._presence = Presence("queue")

    def enqueue(self, kind: str) -> bool:
        """Wake a worker for `kind`, unless a wake-up for it waits already. False when Redis cannot be reached.

        Two callers at the same moment may both enqueue: a kind finds out itself what is due, so that is harmless.
        A wake-up that was taken from the queue, or lost with it, holds up no other.
        """
        queue = self._queues[self._queue_of(kind)]
        try:
            waiting: list[bytes] = self._redis.lrange(queue.key, -NEWEST, -1)  # type: ignore[assignment]
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
        try:
            self._redis.ping()
        except RedisError as error:
            self._presence.missed(error)
            return False
        self._presence.seen()
        return True

    def close(self) -> None:
        """Let go of the connections. Idempotent; the next call connects anew."""
        self._redis.close()
