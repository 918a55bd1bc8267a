"""The one RQ job there is: it says that there is work of a kind, and nothing else.

Whoever can write to Redis can write a job. RQ's own class would import and call any function that a job
names, also as its callback, and send HTTP requests to any address; this one takes from Redis no more than
the name of a kind and some times. What says anything else is no job.
"""

import re
import zlib
from collections.abc import Iterable
from typing import Any, Final

import orjson
from redis import Redis, RedisError
from rq.exceptions import NoSuchJobError
from rq.job import Job

from tollhouse import logs
from tollhouse.domain.ports import QUEUE, QUEUES

FUNCTION: Final = "tollhouse.worker.perform"
FAILURE_SECONDS: Final = 3600
"""How long a failed job can be looked at with RQ's tools."""
RESULT_SECONDS: Final = 60
NO_TIME_OUT: Final = -1

_LONGEST = 512
_KIND = re.compile(r"[a-z][a-z0-9_]{0,63}")
_KEPT = ("created_at", "enqueued_at", "started_at", "ended_at", "last_heartbeat", "status", "worker_name")


class WakeUp(Job):
    """A job that can only be `perform(kind)`. Anything else in Redis is logged, and then it is as if not there."""

    @classmethod
    def fetch(cls, id: str, connection: Redis | None = None, serializer: Any = None) -> Job:
        try:
            return super().fetch(id, connection=connection, serializer=serializer)
        except (NoSuchJobError, RedisError):
            raise
        except Exception as error:  # noqa: BLE001 - what a stranger wrote can be wrong in any way
            logs.event("job_refused", level=logs.WARNING, job=str(id)[:100], reason=type(error).__name__)
            raise NoSuchJobError(f"Not a job of ours: {type(error).__name__}") from None

    @classmethod
    def fetch_many(cls, job_ids: Iterable[str], *_: Any, **__: Any) -> list[Job | None]:
        """RQ asks for the dependents of a job, and wake-ups have none."""
        return [None for _ in job_ids]

    def restore(self, raw_data: dict[bytes | str, Any]) -> None:
        given = {name.decode() if isinstance(name, bytes) else name: value for name, value in raw_data.items()}
        kind = kind_in(given.get("data", b""))
        if kind is None:
            raise ValueError("it names no kind of work")
        kept = {name: given[name] for name in _KEPT if name in given}
        super().restore(
            {
                **kept,
                "data": orjson.dumps([FUNCTION, None, [kind], {}]),
                "description": kind,
                "origin": _queue_in(given.get("origin")),
                "timeout": NO_TIME_OUT,
                "result_ttl": RESULT_SECONDS,
                "failure_ttl": FAILURE_SECONDS,
            }
        )


def _queue_in(origin: Any) -> str:
    name = origin.decode(errors="replace") if isinstance(origin, bytes) else origin
    return name if name in QUEUES else QUEUE


def kind_in(data: bytes) -> str | None:
    """The kind that a job's `data`, deflated or not, is a wake-up for; None when it is anything else."""
    try:
        text = zlib.decompressobj().decompress(data, _LONGEST)
    except zlib.error:
        text = data[:_LONGEST]
    if len(text) == _LONGEST:
        return None
    try:
        call = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    match call:
        case [str(function), None, [str(kind)], dict(keywords)]:
            return kind if function == FUNCTION and not keywords and _KIND.fullmatch(kind) else None
    return None
