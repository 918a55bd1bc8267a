"""Files and batches where files are kept in a bucket: two gateways on two machines, with one store between them."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from tests.batches import jsonl, line, lines_of, run, submit
from tests.gateway import Gateway, settings_for
from tests.servers.s3 import start_s3
from tollhouse.store.s3_blobs import PART


def test_a_batch_reads_from_the_bucket_and_writes_to_it(tmp_path: Path) -> None:
    server = start_s3()
    settings = settings_for(
        tmp_path / "home",
        files_url=f"s3://{server.bucket}/gateway",
        s3_endpoint=server.endpoint,
        s3_access_key_id="who",
        s3_secret_access_key="secret",
    )
    gateway = Gateway(settings)
    try:
        texts = ["x" * 100_000 + str(number) for number in range(PART // 100_000 + 5)]
        content = jsonl(line(f"c{number}", text, "echo", max_tokens=5) for number, text in enumerate(texts))
        batch = submit(gateway, content)
        batch = run(gateway, batch["id"], 30)
        assert (batch["status"], batch["request_counts"]["completed"]) == ("completed", len(texts))
        answers = lines_of(gateway, batch["output_file_id"])
        assert {one["custom_id"] for one in answers} == {f"c{number}" for number in range(len(texts))}
        assert not (settings.home / "files").exists()
        assert gateway.get(f"/v1/files/{batch['input_file_id']}/content").get_data() == content
        gone = gateway.app.test_client().delete(
            f"/v1/files/{batch['input_file_id']}", headers={"authorization": f"Bearer {gateway.key}"}
        )
        assert gone.status_code == 200
        keys = [one["Key"] for one in server.client().list_objects_v2(Bucket=server.bucket).get("Contents", ())]
        assert keys == [f"gateway/{batch['output_file_id']}"]
    finally:
        gateway.close()
        server.stop()


def test_a_batch_whose_store_is_away_for_a_while_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tollhouse.store.s3_blobs.ATTEMPTS", 1)
    monkeypatch.setattr("tollhouse.services.batches.tasks.LEASE_SECONDS", 0.2)
    server = start_s3()
    keys = {"s3_access_key_id": "who", "s3_secret_access_key": "secret"}
    settings = settings_for(tmp_path / "home", files_url=f"s3://{server.bucket}", s3_endpoint=server.endpoint, **keys)
    gateway = Gateway(settings)
    key, batch = gateway.key, submit(gateway, jsonl([line("c1", "hello", "echo")]))
    gateway.close()
    gateway = Gateway(replace(settings, s3_endpoint="http://127.0.0.1:9"))
    gateway.key = key
    assert run(gateway, batch["id"], 1)["status"] == "validating"
    gateway.close()
    gateway = Gateway(settings)
    gateway.key = key
    assert run(gateway, batch["id"], 20)["status"] == "completed"
    gateway.close()
    server.stop()


def test_a_store_that_is_away_refuses_uploads_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tollhouse.store.s3_blobs.ATTEMPTS", 1)
    settings = settings_for(tmp_path / "home")
    away = {"s3_endpoint": "http://127.0.0.1:9", "s3_access_key_id": "who", "s3_secret_access_key": "secret"}
    gateway = Gateway(replace(settings, files_url="s3://files", **away))
    try:
        parts = {"purpose": "batch", "file": (BytesIO(b"{}"), "calls.jsonl")}
        refused = gateway.app.test_client().post(
            "/v1/files", data=parts, headers={"authorization": f"Bearer {gateway.key}"}
        )
        assert refused.status_code == 503, refused.get_data(as_text=True)
        asked = {"model": "echo", "messages": [{"role": "user", "content": "x"}]}
        assert gateway.post("/v1/chat/completions", asked).status_code == 200
    finally:
        gateway.close()
