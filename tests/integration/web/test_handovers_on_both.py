"""A batch at its provider's own batches, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.batch_host import BatchHost
from tests.batches import jsonl, submit
from tests.gateway import Gateway, settings_for
from tests.handovers import chat, check_books, introduce, results_of, said, work
from tests.ledgers import open_holds, sums


@pytest.fixture
def host() -> Iterator[BatchHost]:
    host = BatchHost()
    yield host
    host.close()


@pytest.fixture
def gateway(tmp_path: Path, database_url: str, host: BatchHost) -> Iterator[Gateway]:
    settings = settings_for(
        tmp_path / "home", database_url=database_url, secret_key="a secret for tests that is long enough"
    )
    gateway = Gateway(settings)
    introduce(gateway, host)
    yield gateway
    gateway.close()


def test_it_is_held_sent_booked_and_cancelled(gateway: Gateway, host: BatchHost) -> None:
    gateway.services.budgets.set(("key", gateway.key_id()), 10**9, "month", hard=True)
    gateway.services.serve().catalogue.refresh()
    lines = [chat(f"c{number}", f"word {number}") for number in range(300)]
    id = submit(gateway, jsonl([*lines, chat("bad", "bad")]), provider_batch="auto")["id"]
    work(gateway, id, steps=2)
    held = open_holds(gateway.services.database)
    assert len(held) == 301
    assert gateway.services.recovery.sweep() == 0
    assert sums(gateway.services.database) == (0, sum(hold.amount for hold in held))
    batch = work(gateway, id)
    assert batch["request_counts"] == {"total": 301, "completed": 300, "failed": 1}
    assert said(results_of(gateway, batch)["c299"]) == "You said: word 299"
    check_books(gateway, host, batch)
    assert sums(gateway.services.database)[1] == 0

    id = submit(gateway, jsonl(lines[:3]), provider_batch="auto")["id"]
    work(gateway, id, steps=2)
    gateway.post(f"/v1/batches/{id}/cancel", b"")
    assert work(gateway, id)["status"] == "cancelled"
    assert not gateway.services.batches.any_elsewhere()
    assert open_holds(gateway.services.database) == []
