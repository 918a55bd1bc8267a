"""Batches that `tollhouse up` hands over to a provider's own, driven by the official SDKs, also through kills."""

import json
import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from anthropic.types.messages.batch_create_params import Request
from openai import OpenAI
from openai.types import Batch
from sqlalchemy import create_engine, text

from tests.batch_host import INPUT, OUTPUT, BatchHost
from tests.batches import jsonl, line
from tests.gateway import CHAT
from tests.running import RunningGateway, wait_until

HALF = (INPUT * 1000 + OUTPUT * 2000) // 2
"""Nano-dollars of an answer in a batch."""
ENDED = ("completed", "failed", "expired", "cancelled")


@pytest.fixture
def host() -> Iterator[BatchHost]:
    host = BatchHost()
    host.steps = ("validating", "in_progress", "completed")
    yield host
    host.close()


@pytest.fixture
def gateway(host: BatchHost) -> Iterator[RunningGateway]:
    with tempfile.TemporaryDirectory(prefix="tollhouse-handover-", ignore_cleanup_errors=True) as folder:
        gateway = RunningGateway(
            Path(folder) / "home",
            TOLLHOUSE_WEB_PROCESSES="1",
            TOLLHOUSE_RUN_BATCH_SECONDS="1",
            TOLLHOUSE_HAND_OVER_SECONDS="0.5",
            TOLLHOUSE_PROVIDER_BATCH_POLL_SECONDS="0.5",
        )
        prices = ("--input-price", "1", "--output-price", "2")
        for preset, url in (("openai", host.openai), ("anthropic", host.anthropic)):
            gateway.command(
                "providers", "add", preset, "--format", preset, "--base-url", url, "--allow-private",
                "--api-key-env", "THEIR_KEY", THEIR_KEY="their-key",
            )  # fmt: skip
            gateway.command("models", "add", f"m-{preset}", "--provider", preset, "--upstream-model", "m", *prices)
            gateway.command("models", "prices", f"m-{preset}", "--batch-discount", "50")
        yield gateway
        gateway.stop()


def spent(gateway: RunningGateway) -> tuple[int, int, int]:
    """Rows of the ledger, what they cost together, and open holds."""
    engine = create_engine(f"sqlite:///{gateway.home / 'tollhouse.db'}")
    with engine.connect() as connection:
        rows, cost = connection.execute(text("SELECT count(*), coalesce(sum(cost), 0) FROM ledger")).one()
        holds = connection.scalar(text("SELECT count(*) FROM holds"))
    engine.dispose()
    return rows, cost, holds or 0


def await_end(openai: OpenAI, id: str) -> Batch:
    wait_until(lambda: openai.batches.retrieve(id).status in ENDED, 240, "the batch does not end")
    return openai.batches.retrieve(id)


@pytest.mark.timeout(500)
def test_both_sdks_get_what_both_providers_answered_at_half_the_price(gateway: RunningGateway, host: BatchHost) -> None:
    openai, anthropic = gateway.openai(timeout=30), gateway.anthropic(timeout=30)
    requests: list[Request] = [
        {
            "custom_id": f"c{n}",
            "params": {
                "model": "m-anthropic",
                "max_tokens": 20,
                "messages": [{"role": "user", "content": f"word {n}"}],
            },
        }
        for n in range(8)
    ]
    asked = anthropic.messages.batches.create(requests=requests, extra_body={"provider_batch": "always"})
    calls = gateway.home / "calls.jsonl"
    calls.write_bytes(jsonl(line(f"c{n}", f"word {n}", "m-openai", max_tokens=20) for n in range(8)))
    key = {"TOLLHOUSE_API_KEY": gateway.key}
    submitted = json.loads(gateway.command("batch", "submit", str(calls), "--provider-batch", "auto", "--json", **key))
    batch = await_end(openai, submitted["id"])
    assert (batch.status, batch.output_file_id is not None) == ("completed", True)
    assert "at openai: 8 lines, ended (batch_" in gateway.command("batch", "status", batch.id, **key)
    answers = [json.loads(one) for one in openai.files.content(batch.output_file_id or "").text.splitlines()]
    said = {one["custom_id"]: one["response"]["body"]["choices"][0]["message"]["content"] for one in answers}
    assert said == {f"c{n}": f"You said: word {n}" for n in range(8)}

    wait_until(lambda: anthropic.messages.batches.retrieve(asked.id).processing_status == "ended", 240)
    said = {}
    for one in anthropic.messages.batches.results(asked.id):
        assert one.result.type == "succeeded"
        (block,) = one.result.message.content
        assert block.type == "text"
        said[one.custom_id] = block.text
    assert said == {f"c{n}": f"You said: word {n}" for n in range(8)}
    assert len(host.batches) == 2
    assert not host.direct
    assert spent(gateway) == (16, 16 * HALF, 0)
    gateway.command("usage", "--replay")  # it fails where counts and prices make another sum


def kill_workers(gateway: RunningGateway) -> None:
    """The workers and their work-horses, at once: what `up` started and nothing else."""
    for process, command in gateway.children().items():
        if "tollhouse worker" in command:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


@pytest.mark.timeout(500)
def test_workers_are_killed_at_any_time_and_every_line_is_answered_and_booked_once(
    gateway: RunningGateway, host: BatchHost
) -> None:
    number = 1000
    openai = gateway.openai(timeout=30, max_retries=2)
    lines = [line(f"c{n}", f"word {n}", "m-openai", max_tokens=20) for n in range(number)]
    file = openai.files.create(file=("calls.jsonl", jsonl(lines)), purpose="batch")
    id = openai.batches.create(
        input_file_id=file.id, endpoint=CHAT, completion_window="24h", extra_body={"provider_batch": "always"}
    ).id
    chance = random.Random(7)
    for _ in range(5):
        time.sleep(2 + chance.random() * 4)
        if openai.batches.retrieve(id).status in ENDED:
            break
        kill_workers(gateway)
    batch = await_end(openai, id)
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert (batch.request_counts.total, batch.request_counts.completed) == (number, number)
    assert batch.output_file_id
    answers = [json.loads(one) for one in openai.files.content(batch.output_file_id).text.splitlines()]
    assert sorted(one["custom_id"] for one in answers) == sorted(f"c{n}" for n in range(number))
    assert len(host.batches) == 1, "it was sent twice"
    assert host.answered.total() == number
    assert spent(gateway) == (number, number * HALF, 0)
