"""Webhooks of `tollhouse up`, verified by the SDK's `client.webhooks.unwrap()`, also where a worker is killed."""

import io
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from openai.types.webhooks import (
    BatchCancelledWebhookEvent,
    BatchCompletedWebhookEvent,
    BatchFailedWebhookEvent,
    ResponseCancelledWebhookEvent,
    ResponseCompletedWebhookEvent,
    ResponseFailedWebhookEvent,
)

from tests.receiver import Arrived, Receiver, receiving
from tests.running import COMMAND, RunningGateway, wait_until

PATIENCE = 60.0


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    with tempfile.TemporaryDirectory(prefix="tollhouse-wh-", ignore_cleanup_errors=True) as folder:
        gateway = RunningGateway(
            Path(folder) / "home",
            TOLLHOUSE_LOCAL_MODEL="off",
            TOLLHOUSE_RESPOND_SECONDS="1",
            TOLLHOUSE_DELIVER_WEBHOOKS_SECONDS="1",
            TOLLHOUSE_WEBHOOK_NETWORKS="127.0.0.0/8",
            TOLLHOUSE_WEBHOOK_ANSWER_SECONDS="5",
            TOLLHOUSE_BACKGROUND_ATTEMPTS="1",
        )
        for name, options in (("endless", "chunk_ms=50&words=60000"), ("broken", "status=400")):
            gateway.command("providers", "add", name, "--format", "echo", "--base-url", f"echo:?{options}")
            prices = ("--input-price", "1", "--output-price", "2")
            gateway.command("models", "add", name, "--provider", name, "--upstream-model", "echo", *prices)
        yield gateway
        gateway.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def openai(gateway: RunningGateway) -> OpenAI:
    return gateway.openai(timeout=60)


class Hook:
    """A webhook at a receiver."""

    def __init__(self, gateway: RunningGateway, receiver: Receiver, *events: str) -> None:
        options = [part for event in events for part in ("--event", event)]
        made = gateway.json("webhooks", "create", receiver.url, *options)
        self._gateway, self._receiver = gateway, receiver
        self.id: str = made["id"]
        self.secret: str = made["signing_secret"]

    def heard(self, id: str) -> Any:
        """The event about this thing, as the SDK unwraps it."""

        def about(arrived: Arrived) -> bool:
            return bool(arrived.event["data"]["id"] == id)

        wait_until(lambda: any(map(about, self._receiver.got)), PATIENCE, f"nothing came about {id}")
        return next(one for one in self._receiver.got if about(one)).unwrapped(self.secret)

    def deliveries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._gateway.json("webhooks", "deliveries", self.id)
        return found


def submit(openai: OpenAI, *models: str, text: bytes | None = None) -> str:
    lines = [
        {
            "custom_id": str(number),
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": model, "messages": [{"role": "user", "content": "hello"}]},
        }
        for number, model in enumerate(models)
    ]
    content = text or b"\n".join(json.dumps(line).encode() for line in lines)
    file = openai.files.create(file=("calls.jsonl", io.BytesIO(content)), purpose="batch")
    batch = openai.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    return batch.id


def test_responses_are_told_as_the_sdk_has_them(gateway: RunningGateway, openai: OpenAI, receiver: Receiver) -> None:
    hook = Hook(gateway, receiver)
    completed = openai.responses.create(model="echo", input="Say hello.", background=True)
    failed = openai.responses.create(model="broken", input="x", background=True)
    cancelled = openai.responses.create(model="endless", input="x", background=True)
    openai.responses.cancel(cancelled.id)
    for asked, kind in (
        (completed, ResponseCompletedWebhookEvent),
        (failed, ResponseFailedWebhookEvent),
        (cancelled, ResponseCancelledWebhookEvent),
    ):
        event = hook.heard(asked.id)
        assert isinstance(event, kind)
        assert event.object == "event"
        assert event.id.startswith("evt_")
        assert openai.responses.retrieve(event.data.id).status == event.type.removeprefix("response.")
    assert len({one.id for one in receiver.got}) == len(receiver.got) == 3
    gateway.command("webhooks", "remove", hook.id)


def test_batches_are_told_as_the_sdk_has_them(gateway: RunningGateway, openai: OpenAI, receiver: Receiver) -> None:
    hook = Hook(gateway, receiver, "batch.completed", "batch.failed", "batch.cancelled")
    completed = submit(openai, "echo", "echo")
    failed = submit(openai, text=b"no JSON")
    cancelled = submit(openai, *["endless"] * 40)
    wait_until(lambda: openai.batches.retrieve(cancelled).status == "in_progress", PATIENCE)
    openai.batches.cancel(cancelled)
    # Its calls would last for an hour: that it ends is not what is tested here.
    kill_batch_workers(gateway)
    for id, kind in (
        (completed, BatchCompletedWebhookEvent),
        (failed, BatchFailedWebhookEvent),
        (cancelled, BatchCancelledWebhookEvent),
    ):
        event = hook.heard(id)
        assert isinstance(event, kind)
        assert openai.batches.retrieve(id).status == event.type.removeprefix("batch.")
    gateway.command("webhooks", "remove", hook.id)


def kill(gateway: RunningGateway, matches: str) -> None:
    """What `up` started and nothing else."""
    for process, command in gateway.children().items():
        if command.strip().endswith(matches):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def kill_batch_workers(gateway: RunningGateway) -> None:
    kill(gateway, "tollhouse worker")


def test_a_worker_that_is_killed_in_the_middle_of_a_delivery_loses_nothing(
    gateway: RunningGateway, openai: OpenAI, receiver: Receiver
) -> None:
    hook = Hook(gateway, receiver, "response.completed")

    def hang_the_first(arrived: Arrived) -> tuple[int, Mapping[str, str]]:
        return receiver.hang(arrived) if len(receiver.got) == 1 else (200, {})

    receiver.answer = hang_the_first
    asked = openai.responses.create(model="echo", input="Say hello.", background=True)
    wait_until(lambda: len(receiver.got) == 1, PATIENCE, "nothing came")
    kill(gateway, "tollhouse worker --webhooks")
    wait_until(lambda: len(receiver.got) == 2, PATIENCE, "it did not come again")
    first, second = receiver.got
    assert first.id == second.id
    assert first.body == second.body
    assert second.unwrapped(hook.secret).data.id == asked.id
    wait_until(lambda: hook.deliveries()[0]["state"] == "delivered", PATIENCE)
    (delivery,) = hook.deliveries()
    assert [one["status"] for one in delivery["log"]] == [None, 200]
    assert "process died" in delivery["log"][0]["error"]
    gateway.command("webhooks", "remove", hook.id)


def test_a_second_worker_takes_none_that_the_first_has(
    gateway: RunningGateway, openai: OpenAI, receiver: Receiver
) -> None:
    hook = Hook(gateway, receiver, "response.completed")
    second = RunningWorker(gateway)
    try:
        ids = [openai.responses.create(model="echo", input="Say hello.", background=True).id for _ in range(20)]
        for id in ids:
            hook.heard(id)
        wait_until(lambda: {one["state"] for one in hook.deliveries()} == {"delivered"}, PATIENCE)
    finally:
        second.stop()
    assert sorted(one.event["data"]["id"] for one in receiver.got) == sorted(ids)
    assert {one["attempts"] for one in hook.deliveries()} == {1}
    gateway.command("webhooks", "remove", hook.id)


class RunningWorker:
    """One more worker for webhooks, beside those of `up`."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, "worker", "--webhooks"],
            env=gateway.environment,
            cwd=gateway.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(40)


def test_a_webhook_is_tried_looked_at_rotated_and_disabled_by_command(
    gateway: RunningGateway, receiver: Receiver
) -> None:
    hook = Hook(gateway, receiver, "response.completed")
    gateway.command("webhooks", "test", hook.id)
    wait_until(lambda: len(receiver.got) == 1, PATIENCE)
    assert receiver.got[0].event["type"] == "webhook.test"
    wait_until(lambda: hook.deliveries()[0]["state"] == "delivered", PATIENCE)
    assert "delivered" in gateway.command("webhooks", "deliveries", hook.id)
    rotated = gateway.json("webhooks", "rotate", hook.id, "--overlap", "1h")["signing_secret"]
    gateway.command("webhooks", "redeliver", hook.id, hook.deliveries()[0]["id"])
    wait_until(lambda: len(receiver.got) == 2, PATIENCE)
    for secret in (hook.secret, rotated):
        assert receiver.got[1].unwrapped(secret).id == receiver.got[0].id
    wait_until(lambda: hook.deliveries()[0]["state"] == "delivered", PATIENCE)
    receiver.answer = lambda _: (410, {})
    gateway.command("webhooks", "redeliver", hook.id, hook.deliveries()[0]["id"])

    def state() -> Any:
        return next(one for one in gateway.json("webhooks", "list") if one["id"] == hook.id)["disabled_for"]

    wait_until(lambda: state() == "gone", PATIENCE)
    assert "disabled (gone)" in gateway.command("webhooks", "list")
    gateway.command("webhooks", "enable", hook.id)
    assert state() is None
    gateway.command("webhooks", "disable", hook.id)
    assert state() == "by_hand"
    gateway.command("webhooks", "test", hook.id, status=1)
    gateway.command("webhooks", "remove", hook.id)
    gateway.command("webhooks", "deliveries", hook.id, status=1)
