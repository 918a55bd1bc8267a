"""How long vectors are waited for, and what becomes of those that come late or not at all."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.running import wait_until
from tollhouse.domain.errors import RateLimited, UpstreamGone
from tollhouse.services.caching import embedding
from tollhouse.services.caching.embedding import Embedding, Embeddings, embedding_call
from tollhouse.services.calls.reply import Reply

VECTOR = b'{"data":[{"embedding":[1,2]}]}'


class Threads:
    """The Beside port."""

    live = True

    def __call__(self, work: Callable[[], None], may_end: Callable[[], bool]) -> Callable[[], None]:
        threading.Thread(target=work, daemon=True).start()
        return lambda: None


def reply(read: Callable[[], bytes]) -> Reply:
    account = SimpleNamespace(target=SimpleNamespace(upstream_model="up"))
    return cast(Reply, SimpleNamespace(account=account, read=read))


def ask(embeddings: Embeddings, send: Callable[[], Any]) -> Embedding | None:
    return embeddings.ask("vectors", "req_1", send)


def test_one_that_comes_in_time_is_there() -> None:
    found = ask(Embeddings(Threads(), 30), lambda: reply(lambda: VECTOR))
    assert found is not None
    assert found.vector is not None
    assert (len(found.vector), found.maker) == (2, "up")


def test_one_that_is_late_is_not_waited_for_and_is_there_when_it_has_come() -> None:
    may_come = threading.Event()

    def read() -> bytes:
        may_come.wait(30)
        return VECTOR

    found = ask(Embeddings(Threads(), 0.01), lambda: reply(read))
    assert found is not None
    assert found.vector is None
    may_come.set()
    wait_until(lambda: found.vector is not None, 30)


def fails() -> Reply:
    raise UpstreamGone("The provider broke off.")


def refuses() -> Reply:
    raise RateLimited("Too many.", kind="requests", retry_after=1, standing=None)


def breaks() -> Reply:
    raise ZeroDivisionError


@pytest.mark.parametrize("send", [fails, breaks, lambda: reply(lambda: b"{}")])
def test_a_model_that_fails_again_and_again_rests(send: Callable[[], Reply]) -> None:
    embeddings = Embeddings(Threads(), 30)
    found = [ask(embeddings, send) for _ in range(embedding.FAILURES)]
    assert all(one is not None and one.vector is None for one in found)
    assert ask(embeddings, lambda: reply(lambda: VECTOR)) is None
    assert embeddings.ask("others", "req_1", lambda: reply(lambda: VECTOR)) is not None


def test_whom_their_limits_refuse_lets_no_other_go_without() -> None:
    embeddings = Embeddings(Threads(), 30)
    for _ in range(2 * embedding.FAILURES):
        ask(embeddings, refuses)
    found = ask(embeddings, lambda: reply(lambda: VECTOR))
    assert found is not None
    assert found.vector is not None


def test_failures_count_only_one_behind_the_other() -> None:
    embeddings = Embeddings(Threads(), 30)
    for _ in range(2 * embedding.FAILURES):
        assert ask(embeddings, fails) is not None
        assert ask(embeddings, lambda: reply(lambda: VECTOR)) is not None


def test_the_call_for_it_has_the_tags_of_the_one_that_it_is_for() -> None:
    call = embedding_call("vectors", "why?", ("blue",))
    assert (call.format, call.body, call.tags) == ("embeddings", {"model": "vectors", "input": "why?"}, ("blue",))
    assert call.facts.model == "vectors"
    assert call.facts.size == len(b'{"model":"vectors","input":"why?"}')
