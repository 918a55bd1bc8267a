"""Batches that go to their provider's own: each line is held, booked and answered once, whatever happens there."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from tests.batch_host import BatchHost
from tests.batches import jsonl, line, shown, submit
from tests.gateway import CHAT, MESSAGES, Gateway, settings_for
from tests.handovers import chat, check_books, introduce, message, results_of, said, work
from tests.ledgers import open_holds, sums
from tollhouse.crash_points import HANDOVER_POINTS
from tollhouse.domain.price_terms import PriceTerms
from tollhouse.store.records import BatchRecord, HandoverRecord
from tollhouse.wire.openai_batch import OpenAIBatches


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


MIXED = ["fine", "bad", "slow", "lost", "fine as well"]


@pytest.mark.parametrize(("endpoint", "asked"), CASES)
def test_what_the_provider_leaves_undone_is_called_here_and_what_it_refuses_is_its_answer(
    gateway: Gateway, host: BatchHost, endpoint: str, asked: Any
) -> None:
    host.steps = ("validating", "in_progress", "finalizing", "expired")
    lines = [asked(text, text) for text in MIXED]
    batch = work(gateway, submit(gateway, jsonl(lines), endpoint=endpoint, provider_batch="auto")["id"])
    assert (batch["status"], batch["request_counts"]) == ("completed", {"total": 5, "completed": 4, "failed": 1})
    results = results_of(gateway, batch)
    assert results["bad"]["response"]["status_code"] == 400
    assert "oo many" in str(results["bad"]["response"]["body"]["error"]["message"])
    assert {id: said(one) for id, one in results.items() if id != "bad"} == {
        text: f"You said: {text}" for text in MIXED if text != "bad"
    }
    assert set(host.direct) == {"slow", "lost"}
    assert len(gateway.rows(5)) == 5
    check_books(gateway, host, batch)


@pytest.mark.parametrize(("endpoint", "asked"), CASES)
def test_always_ends_what_the_provider_leaves_undone_with_that(
    gateway: Gateway, host: BatchHost, endpoint: str, asked: Any
) -> None:
    host.steps = ("validating", "in_progress", "finalizing", "expired")
    lines = [asked(text, text) for text in MIXED]
    batch = work(gateway, submit(gateway, jsonl(lines), endpoint=endpoint, provider_batch="always")["id"])
    assert (batch["status"], batch["request_counts"]) == ("completed", {"total": 5, "completed": 2, "failed": 3})
    results = results_of(gateway, batch)
    assert (results["slow"]["error"]["code"], results["lost"]["response"]) == ("batch_expired", None)
    assert not host.direct
    assert len(gateway.rows(3)) == 3
    check_books(gateway, host, batch)


def test_results_that_are_not_all_there_yet_are_read_again(gateway: Gateway, host: BatchHost) -> None:
    host.late = 1
    lines = [chat(f"c{number}", f"word {number}") for number in range(9)]
    batch = work(gateway, submit(gateway, jsonl(lines), provider_batch="always")["id"])
    assert batch["request_counts"] == {"total": 9, "completed": 9, "failed": 0}
    check_books(gateway, host, batch)


@pytest.mark.parametrize(
    ("endpoint", "asked", "faults"),
    [
        (CHAT, chat, ["POST /v1/files", "POST /v1/batches", "GET /v1/batches/", "GET /v1/files/"]),
        (
            MESSAGES,
            message,
            ["GET /v1/messages/batches/msgbatch_0000", "GET /v1/messages/batches/msgbatch_0000/results"],
        ),
    ],
)
def test_a_provider_that_is_busy_is_asked_again(
    gateway: Gateway, host: BatchHost, endpoint: str, asked: Any, faults: list[str]
) -> None:
    host.faults = [(fault, status) for fault in faults for status in (429, 503) if (fault, status) != (faults[1], 503)]
    lines = [asked(f"c{number}", f"word {number}") for number in range(9)]
    batch = work(gateway, submit(gateway, jsonl(lines), endpoint=endpoint, provider_batch="always")["id"])
    assert not host.faults
    assert batch["request_counts"] == {"total": 9, "completed": 9, "failed": 0}
    assert len(host.batches) == 1
    check_books(gateway, host, batch)


@pytest.mark.parametrize(("endpoint", "asked"), CASES)
def test_a_batch_of_which_the_provider_only_said_500_is_found_and_not_sent_twice(
    gateway: Gateway, host: BatchHost, endpoint: str, asked: Any
) -> None:
    host.mute = 1
    lines = [asked(f"c{number}", f"word {number}") for number in range(9)]
    batch = work(gateway, submit(gateway, jsonl(lines), endpoint=endpoint, provider_batch="always")["id"])
    assert batch["request_counts"] == {"total": 9, "completed": 9, "failed": 0}
    assert len(host.batches) == 1
    check_books(gateway, host, batch)


class Died(BaseException):
    """In place of a process's end: nothing catches it."""


@pytest.mark.parametrize("point", HANDOVER_POINTS)
@pytest.mark.parametrize(("endpoint", "asked"), CASES)
def test_whatever_dies_in_between_no_line_is_sent_twice_and_each_is_booked_once(
    gateway: Gateway, host: BatchHost, monkeypatch: pytest.MonkeyPatch, endpoint: str, asked: Any, point: str
) -> None:
    reached: list[str] = []

    def reach(name: str) -> None:
        reached.append(name)
        if name == point and reached.count(name) == 1:
            raise Died

    monkeypatch.setattr("tollhouse.crash_points.reach", reach)
    monkeypatch.setattr("tollhouse.services.batches.handover.lines.CHUNK", 4)
    monkeypatch.setattr("tollhouse.services.batches.handover.gathering.CHUNK", 4)
    monkeypatch.setattr("tollhouse.services.batches.handover.bookings.MOST_TOGETHER", 4)
    lines = [asked(f"c{number}", f"word {number}") for number in range(9)]
    id = submit(gateway, jsonl(lines), endpoint=endpoint, provider_batch="always")["id"]
    try:
        work(gateway, id)
        died = False
    except Died:
        died = True
    assert died == (endpoint == CHAT or point != "handover_uploaded")
    assert gateway.services.recovery.sweep() == 0
    batch = work(gateway, id)
    assert batch["request_counts"] == {"total": 9, "completed": 9, "failed": 0}
    assert len(host.batches) == 1
    assert host.answered == {f"word {number}": 1 for number in range(9)}
    check_books(gateway, host, batch)


def test_a_batch_of_somebody_else_is_not_taken_for_ours(gateway: Gateway, host: BatchHost) -> None:
    lines = [message(f"c{number}", f"word {number}") for number in range(3)]
    id = submit(gateway, jsonl(lines), endpoint=MESSAGES, provider_batch="always")["id"]
    host.faults = [("POST /v1/messages/batches", 500)]
    others = {"model": "x", "messages": [{"role": "user", "content": "theirs"}]}
    host.create_messages({"requests": [{"custom_id": f"x{one}", "params": others} for one in range(3)]})
    for _ in range(12):
        batch = work(gateway, id, steps=3)
        with gateway.services.database.write() as session:  # long enough for it to be sent again
            earlier = gateway.services.database.now(session) - timedelta(seconds=60)
            session.execute(update(HandoverRecord).where(HandoverRecord.state == "sending").values(sending_at=earlier))
        if batch["status"] == "completed":
            break
    assert batch["request_counts"] == {"total": 3, "completed": 3, "failed": 0}
    assert len(host.batches) == 2
    del host.answered["theirs"]
    check_books(gateway, host, batch)


def test_a_provider_that_refuses_the_batch_leaves_its_lines_to_be_called_here(
    gateway: Gateway, host: BatchHost
) -> None:
    host.refuses = "The model has no batches."
    lines = [chat(f"c{number}", f"word {number}") for number in range(3)]
    batch = work(gateway, submit(gateway, jsonl(lines), provider_batch="auto")["id"])
    assert batch["request_counts"] == {"total": 3, "completed": 3, "failed": 0}
    assert host.direct.total() == 3
    check_books(gateway, host, batch)
    batch = work(gateway, submit(gateway, jsonl(lines), provider_batch="always")["id"])
    assert batch["request_counts"] == {"total": 3, "completed": 0, "failed": 3}
    told = results_of(gateway, batch)["c0"]["error"]
    assert (told["code"], "The model has no batches." in told["message"]) == ("provider_batch_failed", True)
    assert open_holds(gateway.services.database) == []


@pytest.mark.parametrize(("endpoint", "asked"), CASES)
def test_cancelling_is_passed_on_and_what_was_answered_by_then_is_paid_for(
    gateway: Gateway, host: BatchHost, endpoint: str, asked: Any
) -> None:
    host.steps = ("validating", "in_progress", "finalizing", "completed")
    lines = [asked("a", "fine"), asked("b", "slow one"), asked("c", "slow two")]
    id = submit(gateway, jsonl(lines), endpoint=endpoint, provider_batch="auto")["id"]
    work(gateway, id, steps=2)
    assert shown(gateway, id)["status"] == "in_progress"
    assert gateway.post(f"/v1/batches/{id}/cancel", b"").status_code == 200
    batch = work(gateway, id)
    assert host.cancelled == set(host.batches)
    assert (batch["status"], batch["request_counts"]) == ("cancelled", {"total": 3, "completed": 1, "failed": 2})
    results = results_of(gateway, batch)
    assert said(results["a"]) == "You said: fine"
    assert results["b"]["error"]["code"] == "batch_cancelled"
    assert not host.direct
    check_books(gateway, host, batch)


def test_one_that_is_cancelled_before_it_was_sent_holds_nothing_any_more(gateway: Gateway, host: BatchHost) -> None:
    lines = [chat(f"c{number}") for number in range(3)]
    id = submit(gateway, jsonl(lines), provider_batch="auto")["id"]
    gateway.services.run_batches(0.5)
    gateway.services.run_handovers(0)
    gateway.post(f"/v1/batches/{id}/cancel", b"")
    batch = work(gateway, id)
    assert (batch["status"], batch["request_counts"]["failed"]) == ("cancelled", 3)
    assert not host.batches
    assert open_holds(gateway.services.database) == []


def end_window(gateway: Gateway, id: str) -> None:
    with gateway.services.database.write() as session:
        now = gateway.services.database.now(session)
        session.execute(update(BatchRecord).where(BatchRecord.id == id).values(expires_at=now))


def test_at_the_end_of_its_window_it_is_cancelled_there_and_expires(gateway: Gateway, host: BatchHost) -> None:
    id = submit(gateway, jsonl([chat("a", "fine"), chat("b", "slow")]), provider_batch="always")["id"]
    work(gateway, id, steps=2)
    end_window(gateway, id)
    batch = work(gateway, id)
    assert (batch["status"], batch["request_counts"]["completed"]) == ("expired", 1)
    assert results_of(gateway, batch)["b"]["error"]["code"] == "batch_expired"
    check_books(gateway, host, batch)


def test_a_key_that_is_revoked_takes_its_batch_back(gateway: Gateway, host: BatchHost) -> None:
    key = gateway.services.keys.create("other")
    lines = jsonl([chat("a", "fine"), chat("b", "slow")])
    id = submit(gateway, lines, provider_batch="always", key=key.key)["id"]
    work(gateway, id, steps=2)
    gateway.services.keys.revoke(key.id)
    batch = work(gateway, id)
    assert host.cancelled
    assert (batch["status"], batch["errors"]["data"][0]["code"]) == ("failed", "revoked_api_key")
    assert said(results_of(gateway, batch)["a"]) == "You said: fine"
    check_books(gateway, host, batch)


def test_lines_are_booked_at_the_prices_under_which_they_were_held(gateway: Gateway, host: BatchHost) -> None:
    id = submit(gateway, jsonl([chat(f"c{number}") for number in range(3)]), provider_batch="auto")["id"]
    work(gateway, id, steps=2)
    gateway.services.model_prices.set("m-openai", PriceTerms(batch_discount=10))
    gateway.services.serve().catalogue.refresh()
    check_books(gateway, host, work(gateway, id))


def test_one_that_cannot_be_asked_about_any_more_is_booked_at_its_bound(gateway: Gateway, host: BatchHost) -> None:
    id = submit(gateway, jsonl([chat("a")]), provider_batch="auto")["id"]
    work(gateway, id, steps=2)
    (held,) = open_holds(gateway.services.database)
    host.faults = [("GET /v1/batches", 500)] * 99
    with gateway.services.database.write() as session:
        before = gateway.services.database.now(session) - timedelta(hours=49)
        session.execute(update(HandoverRecord).values(sending_at=before))
    batch = work(gateway, id)
    assert results_of(gateway, batch)["a"]["error"]["code"] == "provider_batch_unreachable"
    (row,) = gateway.rows(1)
    assert (row.estimated, row.input_tokens, row.outcome) == (True, held.input_bound, "provider_batch_unreachable")
    assert open_holds(gateway.services.database) == []


def test_a_hard_budget_is_never_overrun_and_lines_go_as_there_is_room(gateway: Gateway, host: BatchHost) -> None:
    lines = [chat(f"c{number}", f"word {number}") for number in range(12)]
    id = submit(gateway, jsonl(lines), provider_batch="always")["id"]
    gateway.services.run_batches(0.5)
    assert gateway.services.run_handovers(5) is False
    one_line = open_holds(gateway.services.database)[0].amount
    gateway.post(f"/v1/batches/{id}/cancel", b"")
    work(gateway, id)
    spent = sum(row.cost or 0 for row in gateway.rows(0))

    limit = spent + 5 * one_line
    gateway.services.budgets.set(("key", gateway.key_id()), limit, "total", hard=True)
    gateway.services.serve().catalogue.refresh()
    id = submit(gateway, jsonl(lines), provider_batch="always")["id"]
    seen = 0
    for _ in range(60):
        batch = work(gateway, id, steps=1)
        assert sum(sums(gateway.services.database)) <= limit
        with gateway.services.database.write() as session:  # as if 15 s had passed
            session.execute(update(BatchRecord).where(BatchRecord.id == id).values(paused_until=None))
        seen = max(seen, len(host.batches))
        if batch["status"] == "completed":
            break
    assert batch["request_counts"] == {"total": 12, "completed": 12, "failed": 0}
    assert 3 <= seen - 1 <= 5, "they went in several batches, each under the budget"
    assert sums(gateway.services.database)[1] == 0
    assert open_holds(gateway.services.database) == []
    assert {request["body"]["max_tokens"] for requests in host.requests.values() for request in requests} == {20}


def test_a_spent_budget_pauses_it_and_says_so(gateway: Gateway, host: BatchHost) -> None:
    gateway.services.budgets.set(("key", gateway.key_id()), 1, "total", hard=True)
    gateway.services.serve().catalogue.refresh()
    batch = work(gateway, submit(gateway, jsonl([chat("a")]), provider_batch="auto")["id"], steps=3)
    assert batch["status"] == "in_progress"
    assert "budget" in batch["paused"]["message"]
    assert not host.batches
    assert open_holds(gateway.services.database) == []


def test_more_lines_than_the_provider_takes_at_once_are_several_batches_there(
    gateway: Gateway, host: BatchHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenAIBatches, "most_lines", 4)
    lines = [chat(f"c{number}", f"word {number}") for number in range(10)]
    batch = work(gateway, submit(gateway, jsonl(lines), provider_batch="auto")["id"])
    assert sorted(len(requests) for requests in host.requests.values()) == [2, 4, 4]
    assert batch["request_counts"] == {"total": 10, "completed": 10, "failed": 0}
    assert [handed["lines"] for handed in batch["provider_batches"]] == [4, 4, 2]
    check_books(gateway, host, batch)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"endpoint": "/v1/responses"}, "openai takes no /v1/responses"),
        ({"endpoint": MESSAGES}, "openai takes no /v1/messages"),
        ({"models": ["m-openai", "m-anthropic"]}, "several models"),
        ({"models": ["echo"]}, "has no batch interface"),
    ],
)
def test_always_refuses_what_cannot_be_handed_over_and_says_why(
    gateway: Gateway, host: BatchHost, fields: dict[str, Any], why: str
) -> None:
    endpoint, models = fields.get("endpoint", CHAT), fields.get("models", ["m-openai"])
    lines = [line(model, "hello", model, endpoint, max_tokens=9, input="hello") for model in models]
    batch = work(gateway, submit(gateway, jsonl(lines), endpoint=endpoint, provider_batch="always")["id"])
    assert batch["status"] == "failed"
    (problem,) = batch["errors"]["data"]
    assert (problem["code"], problem["param"]) == ("no_provider_batch", "provider_batch")
    assert why in problem["message"]
    assert not host.batches
    assert not gateway.rows(0)


@pytest.mark.parametrize(
    "fields", [{"completion_window": "12h"}, {"provider_batch": "never"}, {"provider_batch": None}]
)
def test_a_batch_is_called_here_where_that_was_asked_for_or_there_is_no_time(
    gateway: Gateway, host: BatchHost, fields: dict[str, Any]
) -> None:
    batch = work(gateway, submit(gateway, jsonl([chat("a")]), **{"provider_batch": "auto", **fields})["id"])
    assert batch["status"] == "completed"
    assert host.direct.total() == 1
    check_books(gateway, host, batch)


def test_without_a_price_for_batches_auto_calls_here(gateway: Gateway, host: BatchHost) -> None:
    gateway.services.model_prices.set("m-openai", PriceTerms())
    gateway.services.serve().catalogue.refresh()
    batch = work(gateway, submit(gateway, jsonl([chat("a")]), provider_batch="auto")["id"])
    assert (batch["request_counts"]["completed"], host.direct.total()) == (1, 1)


def test_what_is_no_choice_is_refused(gateway: Gateway) -> None:
    asked = {"input_file_id": "file-1", "endpoint": CHAT, "completion_window": "24h", "provider_batch": "maybe"}
    response = gateway.post("/v1/batches", asked)
    assert (response.status_code, response.json["error"]["param"]) == (400, "provider_batch")


def test_a_message_batch_goes_to_anthropics_own_and_comes_back_in_its_shape(gateway: Gateway, host: BatchHost) -> None:
    params = {"model": "m-anthropic", "max_tokens": 20}
    requests = [
        {"custom_id": text, "params": {**params, "messages": [{"role": "user", "content": text}]}}
        for text in ("fine", "bad", "slow")
    ]
    host.steps = ("validating", "in_progress", "finalizing", "expired")
    made = gateway.post("/v1/messages/batches", {"requests": requests, "provider_batch": "always"}).json
    work(gateway, made["id"], steps=8)
    ended = gateway.get(f"/v1/messages/batches/{made['id']}").json
    assert ended["processing_status"] == "ended"
    content = gateway.get(f"/v1/messages/batches/{made['id']}/results").get_data()
    results = {one["custom_id"]: one["result"] for one in map(json.loads, content.splitlines())}
    assert {id: one["type"] for id, one in results.items()} == {
        "fine": "succeeded",
        "bad": "errored",
        "slow": "expired",
    }
    for request in requests:
        request["params"]["model"] = "echo"
    refused = gateway.post("/v1/messages/batches", {"requests": requests, "provider_batch": "always"})
    assert refused.status_code == 400
    assert "no batch interface" in refused.json["error"]["message"]
