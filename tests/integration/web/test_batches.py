"""Batches: a file is checked as a whole, every line is called and booked as any call, and ends with one result."""

import gzip
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from openai.types import Batch
from sqlalchemy import func, select, update

from tests.batches import BATCHES, LONG, NoQueue, jsonl, keep, line, lines_of, run, run_in_part, shown, submit
from tests.gateway import CHAT, EMBEDDINGS, MESSAGES, Gateway, settings_for
from tests.ledgers import open_holds
from tollhouse.jobs import run_batch
from tollhouse.store.records import BatchLineRecord, BatchRecord, BatchResultRecord


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    gateway = Gateway(settings_for(tmp_path / "home", batch_concurrency=8, max_body_bytes=100_000))
    gateway.services.__dict__["queue"] = NoQueue()
    gateway.add_echo("m", "delay_ms=0")
    yield gateway
    gateway.close()


def rows_left(gateway: Gateway) -> int:
    with gateway.services.database.read() as session:
        counts = [select(func.count()).select_from(table) for table in (BatchLineRecord, BatchResultRecord)]
        return sum(session.scalar(count) or 0 for count in counts)


def test_every_line_is_answered_once_and_booked_once(gateway: Gateway) -> None:
    asked = submit(gateway, jsonl(line(f"c{number}", f"word {number}") for number in range(40)), metadata={"a": "b"})
    assert (asked["status"], asked["request_counts"]["total"]) == ("validating", 0)
    assert gateway.services.queue.woken == ["run_batch"]  # type: ignore[attr-defined]
    batch = run(gateway, asked["id"])
    assert Batch.model_validate(batch).status == "completed"
    assert batch["request_counts"] == {"total": 40, "completed": 40, "failed": 0}
    assert (batch["model"], batch["metadata"], batch["error_file_id"]) == ("m", {"a": "b"}, None)
    answers = lines_of(gateway, batch["output_file_id"])
    assert [one["custom_id"] for one in answers] == [f"c{number}" for number in range(40)]
    for number, one in enumerate(answers):
        assert (one["response"]["status_code"], one["error"]) == (200, None)
        assert one["response"]["body"]["choices"][0]["message"]["content"] == f"word {number}"
    booked = gateway.rows(40)
    assert {row.request_id for row in booked} == {one["response"]["request_id"] for one in answers}
    assert float(batch["cost_usd"]) == pytest.approx(sum(row.cost or 0 for row in booked) / 1e9)
    assert batch["usage"]["total_tokens"] == sum(row.input_tokens + row.output_tokens for row in booked)
    assert rows_left(gateway) == 0
    assert gateway.get(f"/v1/files/{batch['output_file_id']}").json["purpose"] == "batch_output"


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        (EMBEDDINGS, {"model": "echo", "input": "hello"}),
        ("/v1/responses", {"model": "echo", "input": "hello"}),
        ("/v1/completions", {"model": "echo", "prompt": "hello"}),
        (MESSAGES, {"model": "echo", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}),
    ],
)
def test_each_endpoint_answers_in_its_own_shape(gateway: Gateway, endpoint: str, body: dict[str, Any]) -> None:
    asked = {"custom_id": "one", "method": "POST", "url": endpoint, "body": body}
    batch = run(gateway, submit(gateway, jsonl([asked]), endpoint=endpoint)["id"])
    (answer,) = lines_of(gateway, batch["output_file_id"])
    direct = gateway.post(endpoint, body).json
    assert answer["response"]["body"].keys() == direct.keys()


def test_lines_may_end_as_windows_ends_them_and_blank_ones_are_none(gateway: Gateway) -> None:
    content = jsonl([line("a"), line("b")]).replace(b"\n", b"\r\n\r\n").rstrip()
    batch = run(gateway, submit(gateway, content)["id"])
    assert batch["request_counts"] == {"total": 2, "completed": 2, "failed": 0}


GOOD = [line(f"c{number}") for number in range(6)]


@pytest.mark.parametrize(
    ("content", "code", "at", "param", "words"),
    [
        (jsonl(GOOD) + b'{"custom_id": \n', "invalid_json_line", 7, None, "JSON"),
        (jsonl(GOOD) + b"[]\n", "invalid_json_line", 7, None, "object"),
        (jsonl([*GOOD, line("c2")]), "duplicate_custom_id", 7, "custom_id", "line 3"),
        (jsonl([*GOOD, line("x", url=MESSAGES)]), "mismatched_endpoint", 7, "url", CHAT),
        (jsonl([*GOOD, {**line("x"), "method": "GET"}]), "invalid_value", 7, "method", "POST"),
        (jsonl([*GOOD, {**line("x"), "custom_id": 5}]), "invalid_value", 7, "custom_id", "required"),
        (jsonl([*GOOD, {**line("x"), "custom_id": "\0"}]), "invalid_value", 7, "custom_id", "required"),
        (jsonl([*GOOD, {**line("x"), "body": []}]), "invalid_value", 7, "body", "object"),
        (jsonl([*GOOD, line("x", messages="hello")]), "invalid_value", 7, "body.messages", "messages"),
        (jsonl([*GOOD, line("x", stream=True)]), "invalid_value", 7, "body.stream", "stream"),
        (jsonl([*GOOD, line("x", model="none")]), "model_not_found", 7, "body.model", "'none'"),
        (jsonl([*GOOD, line("x", "long " * 30_000)]), "line_too_long", 7, None, "bytes"),
        (b"\xef\xbb\xbf" + jsonl(GOOD), "byte_order_mark", 1, None, "BOM"),
        (jsonl(GOOD).decode().encode("utf-16"), "invalid_encoding", 1, None, "UTF-8"),
        (jsonl(GOOD) + b'{"custom_id": "\xff"}\n', "invalid_json_line", 7, None, "JSON"),
        (gzip.compress(b"0" * 10_000_000), "compressed_file", 1, None, "compressed"),
        (b"", "empty_file", None, None, "no lines"),
        (b"\n \n", "empty_file", None, None, "no lines"),
    ],
)
def test_what_is_wrong_is_told_by_line_field_and_reason_and_nothing_is_called(
    gateway: Gateway, content: bytes, code: str, at: int | None, param: str | None, words: str
) -> None:
    batch = run(gateway, submit(gateway, content)["id"])
    assert Batch.model_validate(batch).status == "failed"
    (problem,) = batch["errors"]["data"]
    assert (problem["code"], problem["line"], problem["param"]) == (code, at, param)
    assert words in problem["message"]
    assert batch["request_counts"] == {"total": 0, "completed": 0, "failed": 0}
    assert (batch["output_file_id"], batch["in_progress_at"]) == (None, None)
    assert rows_left(gateway) == 0
    assert gateway.rows(0) == []


def test_a_model_that_the_key_may_not_use_is_told_by_its_line(gateway: Gateway) -> None:
    key = gateway.services.keys.create("narrow", models=["m"]).key
    batch = submit(gateway, jsonl([line("a"), line("b", model="echo")]), key=key)
    gateway.services.run_batches(5)
    (problem,) = shown(gateway, batch["id"], key)["errors"]["data"]
    assert (problem["line"], problem["code"], problem["param"]) == (2, "forbidden", "body.model")


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"endpoint": "/v1/images/generations"}, 400, "endpoint"),
        ({"completion_window": "25"}, 400, "completion_window"),
        ({"completion_window": "8d"}, 400, "completion_window"),
        ({"metadata": {"a": 1}}, 400, "metadata.a"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 1}}, 400, "output_expires_after.seconds"),
        ({"output_expires_after": {"seconds": 3600}}, 400, "output_expires_after.anchor"),
        ({"input_file_id": "file-none"}, 404, "input_file_id"),
        ({"input_file_id": "\0"}, 404, "input_file_id"),
        ({"input_file_id": None}, 400, "input_file_id"),
    ],
)
def test_a_batch_that_cannot_be_is_refused_by_its_field(
    gateway: Gateway, changes: dict[str, Any], status: int, param: str
) -> None:
    asked = {"input_file_id": keep(gateway, jsonl(GOOD)), "endpoint": CHAT, "completion_window": "24h", **changes}
    refused = gateway.post(BATCHES, asked)
    assert (refused.status_code, refused.json["error"]["param"]) == (status, param)
    assert gateway.get(BATCHES).json["data"] == []


def test_another_team_finds_neither_the_batch_nor_its_file(gateway: Gateway) -> None:
    batch = submit(gateway, jsonl(GOOD))
    team = gateway.services.teams.create("others")
    other = gateway.services.keys.create("other", team_id=team.id).key
    assert gateway.get(f"{BATCHES}/{batch['id']}", authorization=f"Bearer {other}").status_code == 404
    assert gateway.post(f"{BATCHES}/{batch['id']}/cancel", b"", key=other).status_code == 404
    assert gateway.get(BATCHES, authorization=f"Bearer {other}").json["data"] == []
    asked = {"input_file_id": batch["input_file_id"], "endpoint": CHAT, "completion_window": "24h"}
    assert gateway.post(BATCHES, asked, key=other).status_code == 404


def test_the_list_has_pages(gateway: Gateway) -> None:
    for _ in range(3):
        submit(gateway, jsonl(GOOD))
    ids = [one["id"] for one in gateway.get(BATCHES).json["data"]]
    first = gateway.get(f"{BATCHES}?limit=2").json
    rest = gateway.get(f"{BATCHES}?after={first['last_id']}").json
    assert [one["id"] for one in first["data"] + rest["data"]] == ids
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert gateway.get(f"{BATCHES}?after=%00").status_code == 400


def test_a_file_that_a_batch_reads_is_not_deleted_under_it(gateway: Gateway) -> None:
    batch = submit(gateway, jsonl(GOOD))
    headers = {"authorization": f"Bearer {gateway.key}"}
    path = f"/v1/files/{batch['input_file_id']}"
    assert gateway.app.test_client().delete(path, headers=headers).status_code == 409
    run(gateway, batch["id"])
    assert gateway.app.test_client().delete(path, headers=headers).status_code == 200


def test_cancelled_before_it_began_it_calls_nothing(gateway: Gateway) -> None:
    batch = submit(gateway, jsonl(GOOD))
    told = gateway.post(f"{BATCHES}/{batch['id']}/cancel", b"").json
    assert told["status"] == "cancelling"
    batch = run(gateway, batch["id"])
    assert Batch.model_validate(batch).status == "cancelled"
    assert (batch["output_file_id"], batch["error_file_id"]) == (None, None)
    assert gateway.rows(0) == []
    assert gateway.post(f"{BATCHES}/{batch['id']}/cancel", b"").json["status"] == "cancelled"


def test_cancelled_in_the_middle_every_line_has_its_answer_or_its_reason(gateway: Gateway) -> None:
    gateway.add_echo("slow", "delay_ms=150")
    batch = submit(gateway, jsonl(line(f"c{number}", model="slow") for number in range(LONG)))
    run_in_part(gateway, batch["id"])
    gateway.post(f"{BATCHES}/{batch['id']}/cancel", b"")
    batch = run(gateway, batch["id"])
    assert batch["status"] == "cancelled"
    answers, errors = lines_of(gateway, batch["output_file_id"]), lines_of(gateway, batch["error_file_id"])
    assert answers
    assert {one["error"]["code"] for one in errors} == {"batch_cancelled"}
    assert sorted(one["custom_id"] for one in answers + errors) == sorted(f"c{number}" for number in range(LONG))
    assert batch["request_counts"] == {"total": LONG, "completed": len(answers), "failed": len(errors)}
    assert len(gateway.rows(len(answers))) == len(answers)
    completed = submit(gateway, jsonl(GOOD))
    assert run(gateway, completed["id"])["status"] == "completed"
    assert gateway.post(f"{BATCHES}/{completed['id']}/cancel", b"").status_code == 409


def test_when_its_window_is_over_what_was_not_called_has_expired(gateway: Gateway) -> None:
    gateway.add_echo("slow", "delay_ms=150")
    batch = submit(gateway, jsonl(line(f"c{number}", model="slow") for number in range(LONG)), completion_window="1m")
    run_in_part(gateway, batch["id"])
    with gateway.services.database.write() as session:
        session.execute(update(BatchRecord).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    batch = run(gateway, batch["id"])
    assert Batch.model_validate(batch).status == "expired"
    answers, errors = lines_of(gateway, batch["output_file_id"]), lines_of(gateway, batch["error_file_id"])
    assert answers
    assert {(one["response"], one["error"]["code"]) for one in errors} == {(None, "batch_expired")}
    assert len(answers) + len(errors) == LONG


def end_pause(gateway: Gateway) -> None:
    with gateway.services.database.write() as session:
        session.execute(update(BatchRecord).values(paused_until=None))


def test_a_spent_budget_pauses_it_and_room_lets_it_go_on(gateway: Gateway) -> None:
    gateway.add_echo("dear", "delay_ms=0", max_output=10)
    budget = gateway.services.budgets.set(("key", gateway.key_id()), 2_000_000, "total")
    batch = submit(gateway, jsonl(line(f"c{number}", model="dear", max_tokens=10) for number in range(30)))
    paused = run(gateway, batch["id"], 1.0)
    while "budget" not in paused["paused"]["message"]:  # on a busy machine it may wait for the database before
        end_pause(gateway)
        paused = run(gateway, batch["id"], 1.0)
    assert (paused["status"], paused["request_counts"]["failed"]) == ("in_progress", 0)
    assert 0 < paused["request_counts"]["completed"] < 30
    gateway.services.budgets.set(("key", gateway.key_id()), 2_000_000_000, "total")
    end_pause(gateway)
    batch = run(gateway, batch["id"])
    assert (batch["status"], batch["request_counts"]["completed"]) == ("completed", 30), budget
    assert len(gateway.rows(30)) == 30
    assert open_holds(gateway.services.database) == []


def test_a_key_that_is_revoked_meanwhile_ends_it_with_an_error(gateway: Gateway) -> None:
    made = gateway.services.keys.create("short")
    gateway.add_echo("slow", "delay_ms=150")
    batch = submit(gateway, jsonl(line(f"c{number}", model="slow") for number in range(LONG)), key=made.key)
    run_in_part(gateway, batch["id"])
    gateway.services.keys.revoke(made.id)
    batch = run(gateway, batch["id"])
    assert Batch.model_validate(batch).status == "failed"
    assert [one["code"] for one in batch["errors"]["data"]] == ["revoked_api_key"]
    answers, errors = lines_of(gateway, batch["output_file_id"]), lines_of(gateway, batch["error_file_id"])
    assert answers
    assert len(answers) + len(errors) == LONG


def test_a_provider_that_refuses_a_line_fails_that_line_alone(gateway: Gateway) -> None:
    gateway.add_echo("wrong", "status=400")
    lines = [line("good"), line("bad", model="wrong")]
    batch = run(gateway, submit(gateway, jsonl(lines))["id"])
    assert batch["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    (error,) = lines_of(gateway, batch["error_file_id"])
    assert (error["custom_id"], error["response"]["status_code"], error["error"]) == ("bad", 400, None)
    assert error["response"]["body"]["error"]["message"]
    assert batch["model"] is None


def test_a_line_whose_provider_keeps_failing_is_given_up_after_some_attempts(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tollhouse.services.batches.run.RETRY_SECONDS", 0.05)
    gateway.add_echo("down", "status=500")
    batch = run(gateway, submit(gateway, jsonl([line("good"), line("bad", model="down")]))["id"])
    assert batch["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    (error,) = lines_of(gateway, batch["error_file_id"])
    assert error["response"]["status_code"] == 500
    assert len(gateway.rows(4)) == 1 + gateway.settings.batch_attempts


def test_a_provider_that_asks_for_patience_slows_it_and_fails_no_line(gateway: Gateway) -> None:
    gateway.add_echo("busy", "status=429&retry_after=1")
    batch = submit(gateway, jsonl(line(f"c{number}", model="busy") for number in range(20)))
    began = run(gateway, batch["id"], 0.9)
    assert (began["status"], began["request_counts"]["failed"]) == ("in_progress", 0)
    assert len(gateway.rows(0)) <= 8  # it began with a few calls at once, and then nobody was called
    gateway.services.providers.change("busy", base_url="echo:")
    gateway.services.serve().catalogue.refresh()
    batch = run(gateway, batch["id"])
    assert batch["request_counts"] == {"total": 20, "completed": 20, "failed": 0}


def test_the_limits_of_its_key_hold_for_it_and_a_quarter_is_left_to_who_waits(gateway: Gateway) -> None:
    gateway.services.limits.set(("key", gateway.key_id()), {"rpm": 8})
    gateway.services.serve().catalogue.refresh()
    batch = run(gateway, submit(gateway, jsonl(line(f"c{number}") for number in range(20)))["id"], 1.0)
    assert (batch["status"], batch["request_counts"]) == ("in_progress", {"total": 20, "completed": 6, "failed": 0})
    assert "limit" in batch["paused"]["message"]
    assert len(gateway.rows(6)) == 6
    assert [gateway.chat().status_code for _ in range(3)] == [200, 200, 429]


def test_who_is_asked_to_stop_calls_no_more_lines_and_leaves_them_to_others(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.add_echo("slow", "delay_ms=100")
    id = submit(gateway, jsonl(line(f"c{number}", model="slow") for number in range(100)))["id"]
    gateway.services.run_batches(0.3)
    before = shown(gateway, id)["request_counts"]["completed"]
    began = time.monotonic()
    monkeypatch.setattr(gateway.services, "asked_to_stop", lambda: time.monotonic() > began + 0.2)
    assert gateway.services.run_batches(300)
    assert before <= shown(gateway, id)["request_counts"]["completed"] < 100
    monkeypatch.undo()
    assert run(gateway, id, 30)["request_counts"] == {"total": 100, "completed": 100, "failed": 0}
    assert len(gateway.rows(100)) == 100


def test_a_job_that_has_not_done_all_wakes_the_next(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_batch, "SECONDS", 0.3)
    gateway.add_echo("slow", "delay_ms=100")
    woken = gateway.services.queue.woken  # type: ignore[attr-defined]
    run_batch.run(gateway.services)
    assert woken == []
    batch = submit(gateway, jsonl(line(f"c{number}", model="slow") for number in range(40)))
    runs = 0
    while woken:
        woken.pop()
        run_batch.run(gateway.services)
        runs += 1
    assert runs > 1
    assert shown(gateway, batch["id"])["status"] == "completed"
    assert len(gateway.rows(40)) == 40


def test_a_file_is_validated_over_several_runs_where_it_is_long(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tollhouse.services.batches.validation.CHUNK_LINES", 10)
    lines = [line(f"c{number}") for number in range(95)]
    batch = submit(gateway, jsonl([*lines, line("c3")]))
    for _ in range(100):
        gateway.services.run_batches(0.05)
        if shown(gateway, batch["id"])["status"] != "validating":
            break
    (problem,) = shown(gateway, batch["id"])["errors"]["data"]
    assert (problem["line"], problem["code"]) == (96, "duplicate_custom_id")
    assert json.dumps(problem)
