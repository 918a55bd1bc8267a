"""A batch from its file to its results, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.batches import LONG, NoQueue, jsonl, line, lines_of, run, run_in_part, submit
from tests.gateway import Gateway, settings_for


@pytest.fixture
def gateway(tmp_path: Path, database_url: str) -> Iterator[Gateway]:
    settings = settings_for(
        tmp_path / "home",
        database_url=database_url,
        secret_key="a secret for tests that is long enough",
        batch_concurrency=8,
    )
    gateway = Gateway(settings)
    gateway.services.__dict__["queue"] = NoQueue()
    gateway.add_echo("m", "delay_ms=0")
    gateway.add_echo("slow", "delay_ms=100")
    yield gateway
    gateway.close()


def test_it_is_checked_worked_off_cancelled_and_cleared_away(gateway: Gateway) -> None:
    lines = [line(f"c{number}") for number in range(60)]
    batch = run(gateway, submit(gateway, jsonl(lines))["id"])
    assert (batch["status"], batch["request_counts"]["completed"]) == ("completed", 60)
    assert len(lines_of(gateway, batch["output_file_id"])) == len(gateway.rows(60)) == 60

    batch = run(gateway, submit(gateway, jsonl([*lines, line("c7")]))["id"])
    assert batch["status"] == "failed"
    (problem,) = batch["errors"]["data"]
    assert (problem["line"], problem["code"]) == (61, "duplicate_custom_id")

    batch = submit(gateway, jsonl(line(f"c{number}", model="slow") for number in range(LONG)))
    run_in_part(gateway, batch["id"])
    gateway.post(f"/v1/batches/{batch['id']}/cancel", b"")
    batch = run(gateway, batch["id"])
    assert batch["status"] == "cancelled"
    told = lines_of(gateway, batch["output_file_id"]) + lines_of(gateway, batch["error_file_id"])
    assert {one["custom_id"] for one in told} == {f"c{number}" for number in range(LONG)}
    assert not gateway.services.batches.any_open()
    assert gateway.services.files.expire() == 0
