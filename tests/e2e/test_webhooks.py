"""Webhooks of `tollhouse up`, verified by the SDK's `client.webhooks.unwrap()`, also where a worker is killed."""

import io
import json
import os
import signal
import subprocess
import tempfile
import time
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

from tests.e2e.test_people import PASSWORD, Site
from tests.receiver import Arrived, Receiver, receiving
from tests.running import COMMAND, RunningGateway, wait_until

PATIENCE = 60.0


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    with tempfile.TemporaryDirectory(prefix="tollhouse-wh-", ignore_cleanup_errors=True) as folder:
        gateway = RunningGateway(
            Path(folder) / "home",
            TOLLHOUSE_LOCAL_MODEL="off",
            TOLLHOUSE_ADMIN_PASSWORD=PASSWORD,
            TOLLHOUSE_RESPOND_SECONDS="1",
            TOLLHOUSE_DELIVER_WEBHOOKS_SECONDS="1",
            TOLLHOUSE_WEBHOOK_NETWORKS="127.0.0.0/8",
            TOLLHOUSE_WEBHOOK_ANSWER_SECONDS="5",
            TOLLHOUSE_BACKGROUND_ATTEMPTS="1",
        )
        yield gateway
        gateway.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def site(gateway: RunningGateway) -> Site:
    site = Site(gateway)
    site.login("admin@localhost")
    for name, options in (("slow", "chunk_ms=50&words=60"), ("broken", "status=400")):
        provider = {"name": name, "format": "echo", "base_url": f"echo:?{options}"}
        model = {"name": name, "provider": name, "upstream_model": "echo", "input_price": "1", "output_price": "2"}
        assert site.ask("POST", "/api/providers", provider)[0] == 201
        assert site.ask("POST", "/api/models", model)[0] == 201
    time.sleep(1.2)  # within a second it is known everywhere
    return site


@pytest.fixture
def openai(gateway: RunningGateway) -> OpenAI:
    return gateway.openai(timeout=60)


class Hook:
    """A webhook at a receiver."""

    def __init__(self, site: Site, receiver: Receiver, *events: str) -> None:
        body = {"name": "end to end", "url": receiver.url, "event_types": events or ("*",)}
        status, made = site.ask("POST", "/api/webhooks", body)
        assert status == 201, made
        self._site, self._receiver = site, receiver
        self.path = f"/api/webhooks/{made['id']}"
        self.secret: str = made["signing_secret"]

    def heard(self, id: str) -> Any:
        """The event about this thing, as the SDK unwraps it."""

        def about(arrived: Arrived) -> bool:
            return bool(arrived.event["data"]["id"] == id)

        wait_until(lambda: any(map(about, self._receiver.got)), PATIENCE, f"nothing came about {id}")
        return next(one for one in self._receiver.got if about(one)).unwrapped(self.secret)

    def deliveries(self, state: str | None = None) -> list[dict[str, Any]]:
        """The latest, or those of this state."""
        asked = f"?state={state}" if state else ""
        found: list[dict[str, Any]] = self._site.ask("GET", f"{self.path}/deliveries{asked}")[1]["data"]
        return found

    def are_delivered(self) -> bool:
        return {one["state"] for one in self.deliveries()} == {"delivered"}

    def remove(self) -> None:
        assert self._site.ask("DELETE", self.path)[0] == 204


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


def test_responses_are_told_as_the_sdk_has_them(site: Site, openai: OpenAI, receiver: Receiver) -> None:
    hook = Hook(site, receiver)
    completed = openai.responses.create(model="echo", input="Say hello.", background=True)
    failed = openai.responses.create(model="broken", input="x", background=True)
    cancelled = openai.responses.create(model="slow", input="x", background=True)
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
    hook.remove()


def test_batches_are_told_as_the_sdk_has_them(site: Site, openai: OpenAI, receiver: Receiver) -> None:
    hook = Hook(site, receiver, "batch.completed", "batch.failed", "batch.cancelled")
    completed = submit(openai, "echo", "echo")
    failed = submit(openai, text=b"no JSON")
    cancelled = submit(openai, *["slow"] * 100)
    wait_until(lambda: openai.batches.retrieve(cancelled).status == "in_progress", PATIENCE)
    openai.batches.cancel(cancelled)
    for id, kind in (
        (completed, BatchCompletedWebhookEvent),
        (failed, BatchFailedWebhookEvent),
        (cancelled, BatchCancelledWebhookEvent),
    ):
        event = hook.heard(id)
        assert isinstance(event, kind)
        assert openai.batches.retrieve(id).status == event.type.removeprefix("batch.")
    hook.remove()


def kill(gateway: RunningGateway, matches: str) -> None:
    """What `up` started and nothing else."""
    for process, command in gateway.children().items():
        if command.strip().endswith(matches):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def test_a_worker_that_is_killed_in_the_middle_of_a_delivery_loses_nothing(
    gateway: RunningGateway, site: Site, openai: OpenAI, receiver: Receiver
) -> None:
    hook = Hook(site, receiver, "response.completed")

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
    wait_until(hook.are_delivered, PATIENCE)
    (delivery,) = hook.deliveries()
    assert [one["status"] for one in delivery["log"]] == [None, 200]
    assert "process died" in delivery["log"][0]["error"]
    hook.remove()


def test_a_second_worker_takes_none_that_the_first_has(
    gateway: RunningGateway, site: Site, openai: OpenAI, receiver: Receiver
) -> None:
    hook = Hook(site, receiver, "response.completed")
    second = RunningWorker(gateway)
    try:
        ids = [openai.responses.create(model="echo", input="Say hello.", background=True).id for _ in range(20)]
        for id in ids:
            hook.heard(id)
        wait_until(hook.are_delivered, PATIENCE)
    finally:
        second.stop()
    assert sorted(one.event["data"]["id"] for one in receiver.got) == sorted(ids)
    assert {one["attempts"] for one in hook.deliveries()} == {1}
    hook.remove()


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
