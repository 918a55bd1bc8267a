"""Anthropic's Message Batches, over the engine of batches."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from anthropic.types.messages import MessageBatch, MessageBatchIndividualResponse
from sqlalchemy import update

from tests.batches import BATCHES, NoQueue
from tests.gateway import Gateway, settings_for
from tollhouse.store.records import BatchRecord

PATH = "/v1/messages/batches"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    gateway = Gateway(settings_for(tmp_path / "home", batch_concurrency=4))
    gateway.services.__dict__["queue"] = NoQueue()
    yield gateway
    gateway.close()


def asked(custom_id: str, model: str = "echo", **params: Any) -> dict[str, Any]:
    said = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": custom_id}], **params}
    return {"custom_id": custom_id, "params": said}


def create(gateway: Gateway, *requests: Any) -> Any:
    response = gateway.post(PATH, {"requests": requests})
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.json


def shown(gateway: Gateway, id: str) -> Any:
    batch = gateway.get(f"{PATH}/{id}").json
    MessageBatch.model_validate(batch)
    return batch


def results(gateway: Gateway, id: str) -> dict[str, Any]:
    response = gateway.get(f"{PATH}/{id}/results")
    assert response.status_code == 200
    lines = [json.loads(line) for line in response.get_data().splitlines()]
    for line in lines:
        MessageBatchIndividualResponse.model_validate(line)
    assert len(lines) == len({line["custom_id"] for line in lines})
    return {line["custom_id"]: line["result"] for line in lines}


def counts(**given: int) -> dict[str, int]:
    return {**dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0), **given}


def test_a_key_makes_batches_of_those_paths_alone_that_it_may_call(gateway: Gateway) -> None:
    made = gateway.services.keys.create("batches", paths=[PATH])
    refused = gateway.post(PATH, {"requests": [asked("a")]}, key=made.key)
    assert (refused.status_code, refused.json["error"]["type"]) == (403, "permission_error")
    assert gateway.get(PATH).json["data"] == []


def test_each_request_is_answered_and_an_error_is_its_own(gateway: Gateway) -> None:
    gateway.add_echo("wrong", "status=400")
    batch = create(gateway, asked("one"), asked("two"), asked("bad", "wrong"))
    assert (batch["processing_status"], batch["request_counts"]) == ("in_progress", counts(processing=3))
    assert gateway.get(f"{PATH}/{batch['id']}/results").status_code == 409
    gateway.services.run_batches(5)
    batch = shown(gateway, batch["id"])
    assert (batch["processing_status"], batch["request_counts"]) == ("ended", counts(succeeded=2, errored=1))
    assert batch["results_url"].endswith(f"{PATH}/{batch['id']}/results")
    told = results(gateway, batch["id"])
    assert [told[name]["message"]["content"][0]["text"] for name in ("one", "two")] == ["one", "two"]
    assert told["bad"]["type"] == "errored"
    assert told["bad"]["error"]["type"] == "error"
    assert len(gateway.rows(3)) == 3


@pytest.mark.parametrize(
    ("requests", "param"),
    [
        ([], "requests"),
        ([asked("a"), asked("a")], "requests[1].custom_id"),
        ([asked("a"), asked("b", messages="hello")], "requests[1].params.messages"),
        ([asked("a"), asked("b", "none")], "requests[1].params.model"),
        ([asked("a"), asked("b", stream=True)], "requests[1].params.stream"),
        ([asked("a"), asked("no spaces, please")], "requests[1].custom_id"),
    ],
)
def test_a_request_that_cannot_be_is_named_and_nothing_begins(
    gateway: Gateway, requests: list[Any], param: str
) -> None:
    refused = gateway.post(PATH, {"requests": requests})
    assert refused.status_code in (400, 404)
    assert refused.json["type"] == "error"
    assert param in refused.json["error"]["message"]
    assert gateway.get(PATH).json["data"] == []
    assert gateway.get("/v1/files").json["data"] == []


def test_cancelled_before_it_began_every_request_is_told_so(gateway: Gateway) -> None:
    batch = create(gateway, asked("one"), asked("two"))
    assert gateway.post(f"{PATH}/{batch['id']}/cancel", b"").json["processing_status"] == "canceling"
    gateway.services.run_batches(5)
    batch = shown(gateway, batch["id"])
    assert batch["request_counts"] == counts(canceled=2)
    assert results(gateway, batch["id"]) == {"one": {"type": "canceled"}, "two": {"type": "canceled"}}
    assert gateway.post(f"{PATH}/{batch['id']}/cancel", b"").json["processing_status"] == "ended"


def test_what_its_day_was_too_short_for_has_expired(gateway: Gateway) -> None:
    gateway.add_echo("slow", "delay_ms=100")
    batch = create(gateway, *(asked(f"c{number}", "slow") for number in range(40)))
    while not shown(gateway, batch["id"])["request_counts"]["succeeded"]:
        gateway.services.run_batches(0.2)
    with gateway.services.database.write() as session:
        session.execute(update(BatchRecord).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    gateway.services.run_batches(5)
    batch = shown(gateway, batch["id"])
    told = results(gateway, batch["id"])
    kinds = [result["type"] for result in told.values()]
    assert len(kinds) == 40
    assert batch["request_counts"] == counts(succeeded=kinds.count("succeeded"), expired=kinds.count("expired"))
    assert kinds.count("expired")


def test_each_vendor_lists_its_own_and_a_deleted_one_is_gone(gateway: Gateway) -> None:
    ids = [create(gateway, asked("one"))["id"] for _ in range(3)]
    assert gateway.get(BATCHES).json["data"] == []
    listed = gateway.get(f"{PATH}?limit=2").json
    assert ({one["id"] for one in listed["data"]} <= set(ids), listed["has_more"]) == (True, True)
    headers = {"authorization": f"Bearer {gateway.key}"}
    client = gateway.app.test_client()
    assert client.delete(f"{PATH}/{ids[0]}", headers=headers).status_code == 409
    gateway.services.run_batches(5)
    assert client.delete(f"{PATH}/{ids[0]}", headers=headers).json == {"id": ids[0], "type": "message_batch_deleted"}
    assert gateway.get(f"{PATH}/{ids[0]}").status_code == 404
    assert len(gateway.get("/v1/files").json["data"]) == 4
    assert gateway.get(f"{PATH}/{ids[1]}").json["processing_status"] == "ended"
