"""However a response or a batch ends, webhooks are told so, once, in the transaction in which it ends."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from openai.types.webhooks import BatchExpiredWebhookEvent, ResponseIncompleteWebhookEvent
from sqlalchemy import update

from tests.batches import LONG, NoQueue, jsonl, line, run, run_in_part, shown, submit
from tests.gateway import Gateway, settings_for
from tollhouse.services.background.claims import Claims, Lost
from tollhouse.services.webhooks.webhooks import Webhook
from tollhouse.store.records import BatchRecord

RESPONSES = "/v1/responses"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    gateway = Gateway(settings_for(tmp_path / "home", background_attempts=1))
    gateway.services.__dict__["queue"] = NoQueue()
    gateway.add_echo("m", "")
    gateway.add_echo("slow", "chunk_ms=20&words=20")
    gateway.add_echo("broken", "status=400")
    yield gateway
    gateway.close()


@pytest.fixture
def hook(gateway: Gateway) -> Webhook:
    return gateway.services.webhooks.create("all", "https://hooks.example.com/x", ["*"])


def told(gateway: Gateway, hook: Webhook) -> list[tuple[str, str]]:
    """Types and ids, oldest first."""
    deliveries = gateway.services.webhook_deliveries.page(hook.id, 200).items
    oldest_first = sorted(deliveries, key=lambda one: one.created_at)
    return [(one.event_type, one.payload["data"]["id"]) for one in oldest_first]


def ask(gateway: Gateway, model: str = "echo", **fields: Any) -> str:
    response = gateway.post(RESPONSES, {"model": model, "input": "hello big world", "background": True, **fields})
    assert response.status_code == 200, response.get_data(as_text=True)
    return str(response.json["id"])


def test_each_end_of_a_response_is_told(gateway: Gateway, hook: Webhook) -> None:
    completed, failed, cancelled = ask(gateway), ask(gateway, "broken"), ask(gateway)
    incomplete = ask(gateway, max_output_tokens=1)
    gateway.post(f"{RESPONSES}/{cancelled}/cancel", {})
    gateway.post(f"{RESPONSES}/{cancelled}/cancel", {})
    gateway.services.run_responses(1.0)
    assert told(gateway, hook)[0] == ("response.cancelled", cancelled)
    assert sorted(told(gateway, hook)[1:]) == [
        ("response.completed", completed),
        ("response.failed", failed),
        ("response.incomplete", incomplete),
    ]
    for kind, id in told(gateway, hook):
        assert gateway.get(f"{RESPONSES}/{id}").json["status"] == kind.removeprefix("response.")
    deliveries = gateway.services.webhook_deliveries.page(hook.id, 200).items
    (payload,) = (one.payload for one in deliveries if one.event_type == "response.incomplete")
    assert ResponseIncompleteWebhookEvent.model_validate(payload)


def test_a_response_that_is_not_made_in_the_background_is_nothing_to_tell(gateway: Gateway, hook: Webhook) -> None:
    assert gateway.post(RESPONSES, {"model": "echo", "input": "x"}).status_code == 200
    assert told(gateway, hook) == []


def test_an_end_that_comes_late_is_not_told(gateway: Gateway, hook: Webhook) -> None:
    id = ask(gateway)
    claims = Claims(gateway.services.database, gateway.services.stored_responses, "late")
    (claim,) = claims.claim(1)
    gateway.post(f"{RESPONSES}/{id}/cancel", {})
    with pytest.raises(Lost):
        claims.end(claim, {**claim.document, "status": "completed"}, claim.last_number, [])
    assert told(gateway, hook) == [("response.cancelled", id)]


def test_each_end_of_a_batch_is_told(gateway: Gateway, hook: Webhook) -> None:
    completed = submit(gateway, jsonl([line("a"), line("b")]))["id"]
    run(gateway, completed)
    broken = submit(gateway, b"no JSON\n")["id"]
    empty = submit(gateway, b"\n\n")["id"]
    run(gateway, broken)
    assert shown(gateway, empty)["status"] == "failed"
    cancelled = submit(gateway, jsonl(line(f"c{number}", model="slow") for number in range(LONG)))["id"]
    run_in_part(gateway, cancelled)
    gateway.post(f"/v1/batches/{cancelled}/cancel", {})
    run(gateway, cancelled)
    expired = submit(gateway, jsonl(line(f"c{number}", model="slow") for number in range(LONG)))["id"]
    run_in_part(gateway, expired)
    with gateway.services.database.write() as session:
        over = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(BatchRecord).where(BatchRecord.id == expired).values(expires_at=over))
    run(gateway, expired)
    run(gateway, expired)
    assert sorted(told(gateway, hook)) == sorted(
        [
            ("batch.completed", completed),
            ("batch.failed", broken),
            ("batch.failed", empty),
            ("batch.cancelled", cancelled),
            ("batch.expired", expired),
        ]
    )
    deliveries = gateway.services.webhook_deliveries.page(hook.id, 200).items
    (payload,) = (one.payload for one in deliveries if one.event_type == "batch.expired")
    assert BatchExpiredWebhookEvent.model_validate(payload)


def test_a_batch_whose_key_was_revoked_has_failed(gateway: Gateway, hook: Webhook) -> None:
    batch = submit(gateway, jsonl(line(f"c{number}", model="slow") for number in range(LONG)))["id"]
    run_in_part(gateway, batch)
    gateway.services.keys.revoke(gateway.key_id())
    gateway.services.authentication.forget()
    gateway.services.run_batches(5.0)
    gateway.services.run_batches(1.0)
    assert ("batch.failed", batch) in told(gateway, hook)


def test_another_team_hears_nothing(gateway: Gateway) -> None:
    other = gateway.services.teams.create("other").id
    theirs = gateway.services.webhooks.create("all", "https://hooks.example.com/x", ["*"], team_id=other)
    id = ask(gateway)
    gateway.services.run_responses(1.0)
    assert gateway.get(f"{RESPONSES}/{id}").json["status"] == "completed"
    assert told(gateway, theirs) == []
