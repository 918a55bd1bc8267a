"""Vectors of what callers ask, made by calls like any other, on their account; none of them is waited for long."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tollhouse import logs, metrics
from tollhouse.domain.call import Call
from tollhouse.domain.errors import TollhouseError, UpstreamError
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ports import Beside
from tollhouse.domain.tags import Tags
from tollhouse.services.caching.vectors import Vector, vector_of
from tollhouse.services.calls.reply import Reply
from tollhouse.wire import FORMATS, json_text
from tollhouse.wire.embeddings import first_vector

FORMAT = "embeddings"
FAILURES = 3
"""In a row, after which a model is not asked for a while: each would make another call wait in vain."""
REST_SECONDS = 10.0


def embedding_call(model: str, text: str, tags: Tags) -> Call:
    """A call of its own, by its own id, with the tags of the one that it is made for."""
    body = {"model": model, "input": text}
    size = len(json_text.write(body))
    return Call(new_id("req"), FORMAT, body, FORMATS[FORMAT].read(body, size), tags=tags)


class Embedding:
    """One text's vector, which may come while it is waited for, later, or never."""

    def __init__(self) -> None:
        self.vector: Vector | None = None
        self.maker = ""
        """The upstream model that made it: vectors of two of them are not to be compared."""
        self.error: BaseException | None = None
        self._done = threading.Event()

    def run(self, send: Callable[[], Reply]) -> None:
        """Raises nothing."""
        try:
            reply = send()
            self.maker = reply.account.target.upstream_model
            numbers = first_vector(reply.read())
            self.vector = vector_of(numbers) if numbers is not None else None
        except BaseException as error:  # noqa: BLE001 - the call that it was for goes on without
            self.error = error
        finally:
            self._done.set()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        return self._done.wait(seconds)


@dataclass(slots=True)
class _Health:
    failures: int = 0
    rests_until: float = 0.0


class Embeddings:
    """Those of one process."""

    def __init__(self, beside: Beside, seconds: float) -> None:
        """`seconds` is how long one is waited for, where it can be made beside whoever waits."""
        self._beside = beside
        self._seconds = seconds
        self._health: dict[str, _Health] = {}

    def ask(self, model: str, request_id: str, send: Callable[[], Reply]) -> Embedding | None:
        """Has waited for it, as long as one may. `send` makes the call; what goes wrong with it is only told in the
        log, under this request's id. None where the model rests.
        """
        health = self._health.setdefault(model, _Health())
        if time.monotonic() < health.rests_until:
            metrics.CACHE_EMBEDDINGS.labels("resting").inc()
            return None
        embedding = Embedding()

        def run() -> None:
            logs.set_request_id(request_id)
            embedding.run(send)

        self._beside(run, lambda: False)
        if not embedding.wait(self._seconds):
            outcome = "late"
        elif embedding.vector is not None:
            outcome = "ok"
        else:
            refused = isinstance(embedding.error, TollhouseError) and not isinstance(embedding.error, UpstreamError)
            outcome = "refused" if refused else "failed"
        self._heard(model, health, outcome, embedding.error)
        return embedding

    def _heard(self, model: str, health: _Health, outcome: str, error: BaseException | None) -> None:
        metrics.CACHE_EMBEDDINGS.labels(outcome).inc()
        if outcome == "ok":
            health.failures = 0
            return
        if outcome != "refused":  # that is between the caller and its limits
            health.failures += 1
            if health.failures >= FAILURES:
                health.failures, health.rests_until = 0, time.monotonic() + REST_SECONDS
        told = error.message if isinstance(error, TollhouseError) else error
        logs.event("cache_embedding_missing", level=logs.WARNING, model=model, outcome=outcome, error=told)
