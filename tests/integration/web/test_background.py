"""Responses in the background: queued at once, made by a worker, booked as any call, and each of them ends once."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from openai.types.responses import Response
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from tests.batches import NoQueue
from tests.counting_host import CountingHost
from tests.gateway import Gateway, settings_for
from tests.ledgers import open_holds
from tests.running import wait_until
from tests.transcript_host import TranscriptHost
from tollhouse.domain.call import Call
from tollhouse.domain.errors import Unsupported
from tollhouse.jobs import respond_in_background
from tollhouse.services.background import responses as background_responses
from tollhouse.services.background.call import FORMAT
from tollhouse.services.background.claims import Claims, Lost
from tollhouse.services.models.models import NewModel
from tollhouse.store.records import BackgroundRecord, ResponseEventsRecord, ResponseRecord
from tollhouse.wire import FORMATS

RESPONSES = "/v1/responses"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    gateway = Gateway(settings_for(tmp_path / "home", max_body_bytes=100_000))
    gateway.services.__dict__["queue"] = NoQueue()
    yield gateway
    gateway.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tollhouse.services.background.run.WAIT_SECONDS", 0.05)


def queue(gateway: Gateway, given: Any = "hello big world", model: str = "echo", **fields: Any) -> str:
    key = fields.pop("key", None)
    response = gateway.post(RESPONSES, {"model": model, "input": given, "background": True, **fields}, key=key)
    assert response.status_code == 200, response.get_data(as_text=True)
    assert Response.model_validate(response.json).status == "queued"
    return str(response.json["id"])


def shown(gateway: Gateway, id: str) -> dict[str, Any]:
    document: dict[str, Any] = gateway.get(f"{RESPONSES}/{id}").json
    assert Response.model_validate(document)
    return document


def made(gateway: Gateway, id: str) -> dict[str, Any]:
    gateway.services.run_responses(0.1)
    return shown(gateway, id)


def events(response: TestResponse) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in response.get_data(as_text=True).split("\n") if line.startswith("data: {")]


def error(response: TestResponse) -> tuple[int, str | None, str]:
    told = response.json["error"]
    return response.status_code, told["param"], told["code"]


@contextmanager
def working(gateway: Gateway, seconds: float = 0.1) -> Iterator[threading.Thread]:
    """A worker beside the test, which ends by itself when the test has seen enough and there is nothing more to do."""
    seen = threading.Event()

    def work() -> None:
        # Again and again: on a machine that stands still for a second, a run takes that for nothing to do.
        while True:
            last = seen.is_set()
            gateway.services.run_responses(seconds)
            if last:
                return

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield worker
    finally:
        seen.set()
        worker.join(30)
    assert not worker.is_alive()


def change(gateway: Gateway, **values: Any) -> None:
    with gateway.services.database.write() as session:
        session.execute(update(BackgroundRecord).values(**values))


def long_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


def count(gateway: Gateway, record: Any) -> int:
    with gateway.services.database.read() as session:
        return session.scalar(select(func.count()).select_from(record)) or 0


def claims(gateway: Gateway, owner: str = "another") -> Claims:
    return Claims(gateway.services.database, gateway.services.stored_responses, owner)


def test_it_is_queued_at_once_and_made_by_a_worker(gateway: Gateway) -> None:
    id = queue(gateway, metadata={"a": "b"})
    assert gateway.services.queue.woken == ["respond_in_background"]  # type: ignore[attr-defined]
    assert gateway.rows(0) == []
    queued = shown(gateway, id)
    assert (queued["status"], queued["output"]) == ("queued", [])
    response = made(gateway, id)
    assert Response.model_validate(response).output_text == "hello big world"
    assert (response["status"], response["background"], response["metadata"]) == ("completed", True, {"a": "b"})
    assert response["created_at"] == queued["created_at"]
    (row,) = gateway.rows()
    assert (row.request_id, row.format, row.outcome) == (id.replace("resp_", "req_"), "responses", "ok")
    assert open_holds(gateway.services.database) == []
    assert gateway.services.run_responses(0.0) is False


def test_its_input_and_what_comes_of_it_are_kept_as_of_any_other(gateway: Gateway) -> None:
    conversation = gateway.post("/v1/conversations", {}).json["id"]
    first = queue(gateway, "one", conversation=conversation)
    assert made(gateway, first)["conversation"] == {"id": conversation}
    said = gateway.get(f"/v1/conversations/{conversation}/items?order=asc").json["data"]
    assert [item["role"] for item in said] == ["user", "assistant"]
    earlier = queue(gateway, "two")
    made(gateway, earlier)
    later = queue(gateway, "three", previous_response_id=earlier)
    assert made(gateway, later)["previous_response_id"] == earlier
    went_in = gateway.get(f"{RESPONSES}/{later}/input_items?order=asc").json["data"]
    assert [item["content"][0]["text"] for item in went_in] == ["two", "two", "three"]


def test_one_that_has_not_ended_cannot_be_continued(gateway: Gateway) -> None:
    asked = {"model": "echo", "input": "x", "previous_response_id": queue(gateway)}
    refused = gateway.post(RESPONSES, asked)
    assert error(refused) == (400, "previous_response_id", "invalid_value")
    assert "not ended" in refused.json["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model": "no"}, (404, "model", "model_not_found")),
        ({"input": [{"role": "nobody", "content": "x"}]}, (400, "input[0].role", "invalid_value")),
        ({"text": {"format": {"type": "nothing"}}}, (400, "text.format.type", "invalid_value")),
        ({"background": "yes"}, (400, "background", "invalid_value")),
    ],
)
def test_what_could_not_be_called_is_refused_before_it_is_queued(
    gateway: Gateway, fields: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    gateway.services.providers.add("chat", "openai", "http://127.0.0.1:9/v1", allow_private=True)
    gateway.services.models.add(NewModel("chat", "chat", "m", context_window=10_000))
    gateway.services.serve().catalogue.refresh()
    asked = {"model": "chat", "input": "x", "background": True, **fields}
    assert error(gateway.post(RESPONSES, asked)) == expected
    assert count(gateway, BackgroundRecord) == count(gateway, ResponseRecord) == 0


def test_a_gateway_that_stores_nothing_says_so(tmp_path: Path) -> None:
    gateway = Gateway(settings_for(tmp_path / "home", store_responses="off"))
    refused = gateway.post(RESPONSES, {"model": "echo", "input": "x", "background": True})
    assert error(refused) == (400, "background", "invalid_value")
    gateway.close()


def test_a_streamed_one_tells_its_events_as_they_come_and_again_from_any_of_them(gateway: Gateway) -> None:
    gateway.add_echo("slow", "chunk_ms=40&words=20")
    with working(gateway, 1.0):
        response = gateway.post(RESPONSES, {"model": "slow", "input": "x", "background": True, "stream": True})
    told = events(response)
    assert response.headers["content-type"] == "text/event-stream"
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert [event["type"] for event in told[:3]] == ["response.created", "response.queued", "response.in_progress"]
    assert [event["response"]["status"] for event in told[:3]] == ["queued", "queued", "in_progress"]
    assert told[-1]["type"] == "response.completed"
    id = told[0]["response"]["id"]
    assert told[-1]["response"] == shown(gateway, id)
    assert sum(event["type"] == "response.output_text.delta" for event in told) == 20
    # It was written as it came, and not at the end.
    assert count(gateway, ResponseEventsRecord) > 3
    for after in (-1, 0, 1, 2, 7, len(told) - 2, len(told) - 1, len(told) + 5):
        path = f"{RESPONSES}/{id}?stream=true" + (f"&starting_after={after}" if after >= 0 else "")
        assert events(gateway.get(path)) == told[after + 1 :]


def test_the_events_are_streamed_while_it_is_made(gateway: Gateway) -> None:
    gateway.add_echo("slow", "chunk_ms=40&words=40")
    id = events_begun(gateway)
    with working(gateway):
        path, headers = f"{RESPONSES}/{id}?stream=true&starting_after=1", {"authorization": f"Bearer {gateway.key}"}
        stream = gateway.app.test_client().get(path, headers=headers)
        first = next(stream.iter_encoded())
        assert shown(gateway, id)["status"] == "in_progress"
        assert b"response.in_progress" in first
    stream.close()


def events_begun(gateway: Gateway) -> str:
    """A streamed response whose client left at once; its id."""
    client = gateway.app.test_client()
    body = {"model": "slow", "input": "x", "background": True, "stream": True}
    response = client.post(RESPONSES, json=body, headers={"authorization": f"Bearer {gateway.key}"})
    first = next(response.iter_encoded())
    response.close()
    return str(json.loads(first.split(b"data: ")[1].split(b"\n")[0])["response"]["id"])


def test_a_silent_stream_is_kept_open_by_comments(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_responses, "SILENT_SECONDS", 0.1)
    gateway.add_echo("slow", "delay_ms=600")
    with working(gateway, 1.0):
        response = gateway.post(RESPONSES, {"model": "slow", "input": "x", "background": True, "stream": True})
    assert b"\n\n: keep-alive\n\n" in response.get_data()
    assert events(response)[-1]["type"] == "response.completed"


def test_only_one_that_was_asked_for_as_a_stream_is_streamed(gateway: Gateway) -> None:
    id = queue(gateway)
    assert error(gateway.get(f"{RESPONSES}/{id}?stream=true")) == (400, "stream", "invalid_request")
    assert error(gateway.get(f"{RESPONSES}/resp_no?stream=true"))[0] == 404
    assert error(gateway.get(f"{RESPONSES}/{id}?stream=true&starting_after=x"))[1] == "starting_after"


def test_what_a_host_of_the_format_says_is_told_under_the_id_that_was_given(gateway: Gateway) -> None:
    host = TranscriptHost()
    host.says("responses-openai-text.sse")
    gateway.services.providers.add("native", "vllm", host.url, allow_private=True)
    gateway.services.models.add(NewModel("native", "native", "gpt-5", context_window=10_000))
    gateway.services.serve().catalogue.refresh()
    id = queue(gateway, model="native")
    response = made(gateway, id)
    assert (response["id"], response["status"], response["background"]) == (id, "completed", True)
    (asked,) = host.asked
    assert "background" not in asked
    assert (asked["stream"], asked["store"]) == (True, False)
    host.close()


def test_cancelled_before_it_began_it_calls_nobody(gateway: Gateway) -> None:
    id = queue(gateway)
    for _ in range(2):
        told = gateway.post(f"{RESPONSES}/{id}/cancel", b"")
        assert (told.status_code, told.json["status"]) == (200, "cancelled")
    assert made(gateway, id)["status"] == "cancelled"
    assert gateway.rows(0) == []


def test_cancelled_while_its_host_is_silent_the_call_is_closed_and_booked(gateway: Gateway) -> None:
    host = CountingHost(20)
    gateway.services.providers.add("silent", "openai", host.url, allow_private=True)
    gateway.services.models.add(NewModel("silent", "silent", "m", context_window=10_000))
    gateway.services.serve().catalogue.refresh()
    id = queue(gateway, model="silent")
    with working(gateway):
        wait_until(host.seen.total)
        assert shown(gateway, id)["status"] == "in_progress"
        cancelled_at = time.monotonic()
        assert gateway.post(f"{RESPONSES}/{id}/cancel", b"").json["status"] == "cancelled"
    assert time.monotonic() - cancelled_at < 5
    (row,) = gateway.rows()
    assert row.outcome == "client_gone"
    assert open_holds(gateway.services.database) == []
    assert shown(gateway, id)["status"] == "cancelled"
    host.close()


def test_cancelled_while_it_speaks_its_stream_ends_with_an_error(gateway: Gateway) -> None:
    gateway.add_echo("slow", "chunk_ms=50&words=400")
    id = events_begun(gateway)
    with working(gateway):
        wait_until(lambda: count(gateway, ResponseEventsRecord) > 2)
        gateway.post(f"{RESPONSES}/{id}/cancel", b"")
    told = events(gateway.get(f"{RESPONSES}/{id}?stream=true"))
    assert (told[-1]["type"], told[-1]["code"]) == ("error", "response_cancelled")
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    (row,) = gateway.rows()
    assert row.output_tokens > 0


def test_one_that_has_ended_is_shown_to_who_cancels_it(gateway: Gateway) -> None:
    id = queue(gateway)
    made(gateway, id)
    assert gateway.post(f"{RESPONSES}/{id}/cancel", b"").json["status"] == "completed"


def test_to_another_team_it_is_not_there(gateway: Gateway) -> None:
    id = queue(gateway)
    other = gateway.services.keys.create("other", team_id=gateway.services.teams.create("Other").id).key
    authorization = {"authorization": f"Bearer {other}"}
    assert gateway.post(f"{RESPONSES}/{id}/cancel", b"", key=other).status_code == 404
    for path in (f"{RESPONSES}/{id}", f"{RESPONSES}/{id}?stream=true"):
        assert gateway.app.test_client().get(path, headers=authorization).status_code == 404
    assert made(gateway, id)["status"] == "completed"


def test_deleted_it_is_called_no_more_and_leaves_nothing(gateway: Gateway) -> None:
    gateway.add_echo("slow", "chunk_ms=50&words=400")
    id = events_begun(gateway)
    headers = {"authorization": f"Bearer {gateway.key}"}
    with working(gateway):
        wait_until(lambda: count(gateway, ResponseEventsRecord) > 2)
        assert gateway.app.test_client().delete(f"{RESPONSES}/{id}", headers=headers).json["deleted"]
    assert gateway.get(f"{RESPONSES}/{id}").status_code == 404
    assert [count(gateway, one) for one in (BackgroundRecord, ResponseEventsRecord, ResponseRecord)] == [0, 0, 0]
    assert len(gateway.rows(1)) == 1


def test_a_key_that_is_revoked_meanwhile_fails_it(gateway: Gateway) -> None:
    key = gateway.services.keys.create("short")
    id = queue(gateway, key=key.key)
    gateway.services.keys.revoke(key.id)
    response = made(gateway, id)
    assert response["status"] == "failed"
    assert "no right to call models" in response["error"]["message"]
    assert gateway.rows(0) == []


def test_a_provider_that_keeps_failing_fails_it_after_some_attempts(gateway: Gateway) -> None:
    gateway.add_echo("down", "status=500")
    id = queue(gateway, model="down")
    gateway.services.run_responses(1.0)
    response = shown(gateway, id)
    assert (response["status"], response["error"]["code"]) == ("failed", "server_error")
    assert len(gateway.rows(3)) == gateway.settings.background_attempts
    assert len({row.request_id for row in gateway.rows(3)}) == 3


def test_a_provider_that_refuses_it_fails_it_at_once(gateway: Gateway) -> None:
    gateway.add_echo("wrong", "status=400")
    response = made(gateway, queue(gateway, model="wrong"))
    assert (response["status"], response["error"]["code"]) == ("failed", "invalid_prompt")
    assert len(gateway.rows(1)) == 1


def test_a_stream_that_breaks_off_is_begun_again_and_its_numbers_go_on(gateway: Gateway) -> None:
    gateway.add_echo("breaks", "words=6&cut_after=3")
    gateway.post(RESPONSES, {"model": "echo", "input": "x"})
    body = {"model": "breaks", "input": "x", "background": True, "stream": True}
    with working(gateway, 1.0):
        told = events(gateway.post(RESPONSES, body))
    assert told[-1]["type"] == "response.failed"
    assert told[-1]["response"]["error"]["message"]
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    begun = [event["type"] for event in told].count("response.in_progress")
    assert begun == gateway.settings.background_attempts
    assert len(gateway.rows(begun + 1)) == begun + 1


def test_a_limit_makes_it_wait_and_does_not_fail_it(gateway: Gateway) -> None:
    gateway.services.limits.set(("key", gateway.key_id()), {"rpm": 1})
    gateway.services.serve().catalogue.refresh()
    ids = [queue(gateway), queue(gateway)]
    gateway.services.run_responses(0.1)
    assert sorted(shown(gateway, id)["status"] for id in ids) == ["completed", "queued"]
    gateway.services.limits.set(("key", gateway.key_id()), {"rpm": 100})
    gateway.services.serve().catalogue.refresh()
    change(gateway, due_at=None)
    gateway.services.run_responses(0.1)
    assert [shown(gateway, id)["status"] for id in ids] == ["completed", "completed"]
    assert len(gateway.rows(2)) == 2


def test_a_spent_budget_fails_it_as_it_refuses_any_call(gateway: Gateway) -> None:
    gateway.add_echo("dear", "delay_ms=0", max_output=10)
    gateway.services.budgets.set(("key", gateway.key_id()), 1, "total")
    response = made(gateway, queue(gateway, model="dear"))
    assert response["status"] == "failed"
    assert "budget" in response["error"]["message"]


def test_what_waits_too_long_fails_and_says_what_for(gateway: Gateway) -> None:
    gateway.services.limits.set(("key", gateway.key_id()), {"rpm": 1})
    gateway.services.serve().catalogue.refresh()
    ids = [queue(gateway), queue(gateway)]
    gateway.services.run_responses(0.1)
    change(gateway, expires_at=long_ago())
    gateway.services.run_responses(0.1)
    (failed,) = [one for id in ids if (one := shown(gateway, id))["status"] == "failed"]
    assert "TOLLHOUSE_BACKGROUND_WAIT_SECONDS" in failed["error"]["message"]
    assert "limit" in failed["error"]["message"]
    assert len(gateway.rows(1)) == 1


def test_what_a_process_had_that_died_is_made_by_another(gateway: Gateway) -> None:
    id = queue(gateway)
    (dead,) = claims(gateway).claim(9)
    assert made(gateway, id)["status"] == "in_progress", "the other one lives, as far as is known"
    change(gateway, lease_until=long_ago())
    assert made(gateway, id)["status"] == "completed"
    # The one that was taken for dead comes late.
    with pytest.raises(Lost):
        claims(gateway).end(dead, {**dead.document, "status": "failed"}, dead.last_number, [])
    claims(gateway).give_back(dead, 0, "late", failed=True)
    assert shown(gateway, id)["status"] == "completed"
    assert len(gateway.rows(1)) == 1


def test_after_some_deaths_it_is_called_no_more(gateway: Gateway) -> None:
    id = queue(gateway)
    for _ in range(gateway.settings.background_attempts):
        assert claims(gateway).claim(9)
        change(gateway, lease_until=long_ago())
    response = made(gateway, id)
    assert (response["status"], response["error"]["code"]) == ("failed", "server_error")
    assert "process died" in response["error"]["message"]
    assert gateway.rows(0) == []


def test_a_claim_is_shared_between_teams(gateway: Gateway) -> None:
    other = gateway.services.keys.create("other", team_id=gateway.services.teams.create("Other").id).key
    for _ in range(6):
        queue(gateway)
    late = queue(gateway, key=other)
    taken = claims(gateway).claim(4)
    assert len(taken) == 4
    assert late in [claim.id for claim in taken]


def test_the_job_does_nothing_where_there_is_nothing(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(respond_in_background, "SECONDS", 0.1)
    respond_in_background.run(gateway.services)
    id = queue(gateway)
    respond_in_background.run(gateway.services)
    assert shown(gateway, id)["status"] == "completed"


def test_a_line_of_a_batch_is_in_the_background_already(gateway: Gateway) -> None:
    call = {"model": "echo", "input": "x", "background": True}
    serving = gateway.services.serve()
    principal = gateway.services.authentication.principal(gateway.key)
    with pytest.raises(Unsupported, match="already"):
        serving.responses.open(principal, Call("req_1", FORMAT, call, FORMATS[FORMAT].read(call, 50)))


def test_who_is_asked_to_stop_ends_what_is_under_way_and_begins_no_more(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.add_echo("slow", "words=20&chunk_ms=20")
    woken = gateway.services.queue.woken  # type: ignore[attr-defined]
    first, asked = queue(gateway, model="slow"), threading.Event()
    monkeypatch.setattr(gateway.services, "asked_to_stop", asked.is_set)
    worker = threading.Thread(target=respond_in_background.run, args=(gateway.services,))
    worker.start()
    wait_until(lambda: shown(gateway, first)["status"] == "in_progress", 30)
    asked.set()
    second = queue(gateway)
    woken.clear()
    worker.join(60)
    assert [shown(gateway, id)["status"] for id in (first, second)] == ["completed", "queued"]
    assert woken == ["respond_in_background"]
    monkeypatch.undo()
    assert made(gateway, second)["status"] == "completed"
