"""Replies to similar questions, as the official SDKs see them, at the gateway as a user runs it."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.embedding_host import EmbeddingHost
from tests.running import RunningGateway, wait_until

FIRST = "how do I bake a loaf of very good bread"
SECOND = "how do I bake a loaf of really good bread"


@pytest.fixture(scope="module")
def host() -> Iterator[EmbeddingHost]:
    host = EmbeddingHost()
    yield host
    host.close()


@pytest.fixture(scope="module")
def gateway(host: EmbeddingHost) -> Iterator[RunningGateway]:
    """With two models that find similar questions, by a host that answers and by one that never does."""
    with tempfile.TemporaryDirectory(prefix="tollhouse-similar-", ignore_cleanup_errors=True) as folder:
        gateway = RunningGateway(
            Path(folder) / "home",
            TOLLHOUSE_WORKERS="0",
            TOLLHOUSE_LOCAL_MODEL="off",
            TOLLHOUSE_CACHE_EMBEDDING_SECONDS="20",
        )
        try:
            add_models(gateway, host)
            yield gateway
        finally:
            gateway.stop()


def add_models(gateway: RunningGateway, host: EmbeddingHost) -> None:
    gateway.command("providers", "add", "vectors", "--format", "openai", "--base-url", host.url, "--allow-private")
    gateway.command("models", "add", "vectors", "--provider", "vectors", "--input-price", "1", "--output-price", "0")
    gateway.command("providers", "add", "kept", "--format", "echo", "--base-url", "echo:")
    prices = ("--input-price", "1", "--output-price", "2", "--cache-seconds", "60")
    compared = ("--cache-embedding-model", "vectors", "--cache-similarity", "0.88")
    gateway.command("models", "add", "kept", "--provider", "kept", *prices, *compared)
    time.sleep(1)  # in all processes


def turns(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def marks(answers: list[Any]) -> list[tuple[str, str | None]]:
    return [(one.headers["x-tollhouse-cache"], one.headers.get("x-tollhouse-similarity")) for one in answers]


EXPECTED = [("miss", None), ("similar", "0.9")]


def test_openai_gets_the_reply_to_a_similar_question_whole_and_streamed(gateway: RunningGateway) -> None:
    client = gateway.openai()
    chat: Any = client.chat.completions.with_raw_response
    whole = [chat.create(model="kept", messages=turns(text)) for text in (FIRST, SECOND)]
    assert marks(whole) == EXPECTED
    assert whole[1].parse() == whole[0].parse()
    streams = [chat.create(model="kept", messages=turns(text), stream=True) for text in (FIRST, SECOND)]
    told = ["".join(chunk.choices[0].delta.content or "" for chunk in stream.parse()) for stream in streams]
    assert marks(streams) == EXPECTED
    assert told == [FIRST, FIRST]
    responses: Any = client.responses.with_raw_response
    asked = [responses.create(model="kept", input=text, store=False) for text in (FIRST, SECOND)]
    assert marks(asked) == EXPECTED
    assert asked[1].parse().output_text == FIRST


def test_anthropic_gets_the_message_to_a_similar_question_whole_and_streamed(gateway: RunningGateway) -> None:
    client = gateway.anthropic()
    raw: Any = client.messages.with_raw_response
    whole = [raw.create(model="kept", max_tokens=50, messages=turns(text)) for text in (FIRST, SECOND)]
    assert marks(whole) == EXPECTED
    assert whole[1].parse() == whole[0].parse()
    told = []
    for text in (FIRST, SECOND):
        with client.messages.stream(model="kept", max_tokens=50, messages=turns(text)) as stream:
            told.append((stream.response.headers["x-tollhouse-cache"], "".join(stream.text_stream)))
    assert told == [("miss", FIRST), ("similar", FIRST)]


def test_the_vectors_are_booked_on_the_same_key(gateway: RunningGateway) -> None:
    chat: Any = gateway.openai().chat.completions.with_raw_response
    assert marks([chat.create(model="kept", messages=turns(text), seed=3) for text in (FIRST, SECOND)]) == EXPECTED
    assert gateway.usage("vectors", 2)["cost_usd"] != "0"
    assert gateway.usage("kept", 2)["cached_requests"] >= 1


def test_a_host_that_is_slow_holds_up_no_call_and_is_booked_when_it_has_come(host: EmbeddingHost) -> None:
    with tempfile.TemporaryDirectory(prefix="tollhouse-similar-", ignore_cleanup_errors=True) as folder:
        slow = RunningGateway(
            Path(folder) / "home",
            TOLLHOUSE_WEB_PROCESSES="1",
            TOLLHOUSE_WORKERS="0",
            TOLLHOUSE_LOCAL_MODEL="off",
            TOLLHOUSE_CACHE_EMBEDDING_SECONDS="0.05",
        )
        try:
            add_models(slow, host)
            chat: Any = slow.openai().chat.completions.with_raw_response
            host.may_answer.clear()
            assert marks([chat.create(model="kept", messages=turns(FIRST))]) == [("miss", None)]
            assert not host.may_answer.is_set(), "it has not answered yet"
            host.may_answer.set()
            wait_until(lambda: slow.usage("vectors", 1)["cost_usd"] != "0", 30)
        finally:
            host.may_answer.set()
            slow.stop()
