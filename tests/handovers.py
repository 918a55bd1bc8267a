"""Batches that go to their provider's own, in this process: models at a host that has them, and what came of it."""

from typing import Any

import pytest
from sqlalchemy import update

from tests.batch_host import INPUT, OUTPUT, BatchHost
from tests.batches import NoQueue, line, lines_of, shown
from tests.gateway import MESSAGES, Gateway
from tests.ledgers import open_holds
from tollhouse.domain.price_terms import PriceTerms
from tollhouse.services.models.models import NewModel
from tollhouse.services.reports.replay import Replay
from tollhouse.store.records import HandoverRecord

RESPONSES = "/v1/responses"
FULL = INPUT * 1000 + OUTPUT * 2000
"""Nano-dollars of an answer outside of batches; half of it in one."""
PRICES = {"input_price": 10**9, "output_price": 2 * 10**9, "context_window": 10_000, "max_output": 100}


def introduce(gateway: Gateway, host: BatchHost) -> None:
    services = gateway.services
    services.__dict__["queue"] = NoQueue()
    for preset, url in (("openai", host.openai), ("anthropic", host.anthropic)):
        services.providers.add(preset, preset, url, credential=f"key-of-{preset}", allow_private=True)
        services.models.add(NewModel(f"m-{preset}", preset, f"theirs-{preset}", **PRICES))
        services.model_prices.set(f"m-{preset}", PriceTerms(batch_discount=50))
    services.serve().catalogue.refresh()


def chat(custom_id: str, text: str = "hello", model: str = "m-openai", **body: Any) -> dict[str, Any]:
    return line(custom_id, text, model, max_tokens=20, **body)


def message(custom_id: str, text: str = "hello") -> dict[str, Any]:
    return line(custom_id, text, "m-anthropic", MESSAGES, max_tokens=20)


def response(custom_id: str, text: str = "hello", **body: Any) -> dict[str, Any]:
    asked = {"model": "m-openai", "input": text, "max_output_tokens": 20, **body}
    return {"custom_id": custom_id, "method": "POST", "url": RESPONSES, "body": asked}


def work(gateway: Gateway, id: str, *, steps: int = 40) -> Any:
    """Hand over, look and take back, time and again, until the batch has ended; as if no time had to pass."""
    for _ in range(steps):
        with gateway.services.database.write() as session:
            now = gateway.services.database.now(session)
            session.execute(update(HandoverRecord).values(due_at=now))
        if gateway.services.batches.any_elsewhere():
            gateway.services.run_handovers(5)
        if gateway.services.batches.any_open():
            gateway.services.run_batches(0.5)
        batch = shown(gateway, id)
        if batch["status"] in ("completed", "failed", "expired", "cancelled"):
            break
    return batch


def results_of(gateway: Gateway, batch: Any) -> dict[str, Any]:
    told = lines_of(gateway, batch["output_file_id"]) + lines_of(gateway, batch["error_file_id"])
    assert len({one["custom_id"] for one in told}) == len(told) == batch["request_counts"]["total"]
    return {one["custom_id"]: one for one in told}


def said(result: Any) -> str:
    body = result["response"]["body"]
    if "output" in body:
        return str(body["output"][0]["content"][0]["text"])
    return str(body["choices"][0]["message"]["content"] if "choices" in body else body["content"][0]["text"])


def check_books(gateway: Gateway, host: BatchHost, batch: Any) -> None:
    """Every answer is booked once at what it costs there, and nothing is held."""
    rows = gateway.rows(0)
    spent = sum(row.cost or 0 for row in rows)
    assert spent == host.answered.total() * FULL // 2 + host.direct.total() * FULL
    assert len({row.request_id for row in rows}) == len(rows)
    assert float(batch["cost_usd"]) == pytest.approx(spent / 1e9)
    assert open_holds(gateway.services.database) == []
    assert Replay(gateway.services.database).run().agrees
