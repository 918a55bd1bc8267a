"""Responses in the background by the official SDK, made by the worker of `tollhouse up`, also where it is killed."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import openai as sdk
import pytest
from openai import OpenAI
from openai.types.responses import Response
from redis import Redis
from sqlalchemy import create_engine, text

from tests.running import RunningGateway, wait_until
from tollhouse.kv.embedded import embedded_redis_url

ENDED = ("completed", "failed", "cancelled", "incomplete")


def await_end(openai: OpenAI, id: str, seconds: float = 40) -> Response:
    wait_until(lambda: openai.responses.retrieve(id).status in ENDED, seconds, "the response does not end")
    return openai.responses.retrieve(id)


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    with tempfile.TemporaryDirectory(prefix="tollhouse-bg-", ignore_cleanup_errors=True) as folder:
        gateway = RunningGateway(
            Path(folder) / "home",
            TOLLHOUSE_WEB_PROCESSES="2",
            TOLLHOUSE_RESPOND_SECONDS="1",
            TOLLHOUSE_LOCAL_MODEL="off",
        )
        for name, options in (("slow", "chunk_ms=50&words=60"), ("endless", "chunk_ms=50&words=60000")):
            gateway.command("providers", "add", name, "--format", "echo", "--base-url", f"echo:?{options}")
            prices = ("--input-price", "1", "--output-price", "2")
            gateway.command("models", "add", name, "--provider", name, "--upstream-model", "echo", *prices)
        time.sleep(1.2)
        yield gateway
        gateway.stop()


@pytest.fixture
def openai(gateway: RunningGateway) -> OpenAI:
    return gateway.openai(timeout=60)


def kill_workers(gateway: RunningGateway) -> None:
    """The worker for responses and its work-horse, at once: what `up` started and nothing else."""
    for process, command in gateway.children().items():
        if "tollhouse worker --responses" in command:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def booked(gateway: RunningGateway, model: str) -> tuple[list[str], int]:
    """How each row of the ledger of a model ended, and how many holds are open."""
    engine = create_engine(f"sqlite:///{gateway.home / 'tollhouse.db'}")
    with engine.connect() as connection:
        of_model = text("SELECT outcome FROM ledger WHERE kind = 'call' AND model = :model ORDER BY id")
        rows = [row.outcome for row in connection.execute(of_model, {"model": model})]
        holds = connection.scalar(text("SELECT count(*) FROM holds"))
    engine.dispose()
    return rows, holds or 0


def test_the_sdk_asks_for_one_and_polls_it(openai: OpenAI) -> None:
    asked = openai.responses.create(model="echo", input="Say hello.", background=True)
    assert (asked.status, asked.background, asked.output_text) == ("queued", True, "")
    ended = await_end(openai, asked.id)
    assert (ended.status, ended.output_text) == ("completed", "Say hello.")
    assert openai.responses.cancel(asked.id).status == "completed"
    openai.responses.delete(asked.id)
    with pytest.raises(sdk.NotFoundError):
        openai.responses.retrieve(asked.id)


def test_the_sdk_loses_a_stream_and_resumes_it_behind_the_last_event_that_it_saw(openai: OpenAI) -> None:
    seen = []
    stream = openai.responses.create(model="slow", input="x", background=True, stream=True)
    for event in stream:
        seen.append(event)
        if event.sequence_number == 20:
            break
    stream.close()
    first = seen[0]
    assert first.type == "response.created"
    assert first.response.status == "queued"
    resumed = openai.responses.retrieve(first.response.id, stream=True, starting_after=20)
    seen += list(resumed)
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    assert sum(event.type == "response.output_text.delta" for event in seen) == 60
    last = seen[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == openai.responses.retrieve(first.response.id).output_text


def test_the_sdk_cancels_one_that_is_under_way(gateway: RunningGateway, openai: OpenAI) -> None:
    asked = openai.responses.create(model="endless", input="x", background=True)
    wait_until(lambda: openai.responses.retrieve(asked.id).status == "in_progress", 20, "it does not begin")
    assert openai.responses.cancel(asked.id).status == "cancelled"
    wait_until(lambda: booked(gateway, "endless") == (["client_gone"], 0), 20, "it is not booked")
    assert openai.responses.retrieve(asked.id).status == "cancelled"


def test_a_worker_is_killed_and_redis_is_emptied_and_each_response_ends_once(
    gateway: RunningGateway, openai: OpenAI
) -> None:
    def under_way() -> bool:
        return all(openai.responses.retrieve(id).status == "in_progress" for id in ids)

    before = len(booked(gateway, "slow")[0])
    ids = [openai.responses.create(model="slow", input="x", background=True).id for _ in range(4)]
    wait_until(under_way, 20, "they do not begin")
    kill_workers(gateway)
    with Redis.from_url(embedded_redis_url(gateway.home)) as redis:
        redis.flushall()
    ended = [await_end(openai, id, 60) for id in ids]
    assert [one.status for one in ended] == ["completed"] * 4
    assert {len(one.output_text.split()) for one in ended} == {60}
    wait_until(lambda: booked(gateway, "slow")[1] == 0, 60, "something is still held")
    rows = booked(gateway, "slow")[0][before:]
    assert sorted(rows) == ["ok"] * 4 + ["process_died"] * 4
