"""Batches that go to their provider's own: each line is held, booked and answered once, whatever happens there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from tests.batch_host import INPUT, OUTPUT, BatchHost
from tests.batches import NoQueue, jsonl, line, lines_of, shown, submit
from tests.gateway import CHAT, MESSAGES, Gateway, settings_for
from tests.ledgers import open_holds
from tollhouse.domain.price_terms import PriceTerms
from tollhouse.services.models import NewModel
from tollhouse.services.replay import Replay
from tollhouse.store.records import HandoverRecord

FULL = INPUT * 1000 + OUTPUT * 2000
"""Nano-dollars of an answer outside of batches; half of it in one."""
PRICES = {"input_price": 10**9, "output_price": 2 * 10**9, "context_window": 10_000, "max_output": 100}


@pytest.fixture
def host() -> Iterator[BatchHost]:
    host = BatchHost()
    yield host
    host.close()


@pytest.fixture
def gateway(tmp_path: Path, host: BatchHost) -> Iterator[Gateway]:
    gateway = Gateway(settings_for(tmp_path / "home", batch_concurrency=4, max_body_bytes=100_000))
    introduce(gateway, host)
    yield gateway
    gateway.close()


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


def work(gateway: Gateway, id: str, *, steps: int = 40) -> Any:
    """Hand over, look and take back, time and again, until the batch has ended; as if no time had to pass."""
    for _ in range(steps):
        with gateway.services.database.write() as session:
            now = gateway.services.database.now(session)
            session.execute(update(HandoverRecord).values(due_at=now))
        if gateway.services.batches.any_elsewhere():
            gateway.services.run_handovers(5)
        if gateway.services.batches.any_open():
            gateway.services.run_batches(1)
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


CASES = [(CHAT, chat), (MESSAGES, message)]
"""At the host of OpenAI's shape, and at that of Anthropic's."""


@pytest.mark.parametrize(("endpoint", "asked"), CASES)
def test_every_line_is_answered_there_once_and_booked_at_the_batch_price(
    gateway: Gateway, host: BatchHost, endpoint: str, asked: Any
) -> None:
    lines = [asked(f"c {number}", f"word {number}") for number in range(20)]
    batch = work(gateway, submit(gateway, jsonl(lines), endpoint=endpoint, provider_batch="auto")["id"])
    assert batch["status"] == "completed"
    assert batch["request_counts"] == {"total": 20, "completed": 20, "failed": 0}
    results = results_of(gateway, batch)
    assert {id: said(one) for id, one in results.items()} == {f"c {n}": f"You said: word {n}" for n in range(20)}
    rows = gateway.rows(20)
    assert {row.request_id for row in rows} == {one["response"]["request_id"] for one in results.values()}
    assert {(row.input_price, row.output_price, row.status, row.outcome) for row in rows} == {
        (500_000_000, 1_000_000_000, 200, "ok")
    }
    check_books(gateway, host, batch)
    assert not host.direct
    assert len(host.batches) == 1
    assert {one["body"]["model"] for one in host.requests.popitem()[1]} == {f"theirs-{batch['model'][2:]}"}
    assert host.keys == {f"key-of-{batch['model'][2:]}"}
    (handed,) = batch["provider_batches"]
    assert (handed["provider"], handed["status"], handed["lines"]) == (batch["model"][2:], "ended", 20)
    assert host.deleted
