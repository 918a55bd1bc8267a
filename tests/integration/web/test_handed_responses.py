"""Responses that a provider makes in its own batches: kept here, as those that are made here, and known by our ids."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.batch_host import BatchHost
from tests.batches import jsonl, submit
from tests.gateway import Gateway, settings_for
from tests.handovers import RESPONSES, check_books, introduce, response, results_of, said, work
from tollhouse.crash_points import HANDOVER_POINTS
from tollhouse.providers import openai
from tollhouse.providers.base import Quirks
from tollhouse.services.responses.stored_responses import StoredResponses
from tollhouse.store.records import ResponseRecord


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchHost]:
    """One that speaks Responses, as OpenAI's own does."""
    speaks = Quirks(paths={**openai.PRESET.paths, "responses": "/responses"}, encrypts_thoughts=True)
    monkeypatch.setitem(openai.PRESET.quirks, "127.0.0.1", speaks)
    host = BatchHost()
    yield host
    host.close()


@pytest.fixture
def gateway(tmp_path: Path, host: BatchHost) -> Iterator[Gateway]:
    gateway = Gateway(settings_for(tmp_path / "home", batch_concurrency=4))
    introduce(gateway, host)
    yield gateway
    gateway.close()


def handed(gateway: Gateway, lines: list[Any], mode: str = "auto") -> Any:
    return work(gateway, submit(gateway, jsonl(lines), endpoint=RESPONSES, provider_batch=mode)["id"])


def kept(gateway: Gateway, id: str) -> Any:
    return gateway.get(f"{RESPONSES}/{id}", authorization=f"Bearer {gateway.key}")


def stored(gateway: Gateway) -> int:
    with gateway.services.database.read() as session:
        return session.query(ResponseRecord).count()


def test_each_is_answered_booked_and_kept_under_the_id_that_it_is_told_by(gateway: Gateway, host: BatchHost) -> None:
    batch = handed(gateway, [response(f"c{number}", f"word {number}") for number in range(6)])
    assert batch["request_counts"] == {"total": 6, "completed": 6, "failed": 0}
    assert not host.direct
    (sent,) = host.requests.values()
    assert {(one["body"]["model"], one["body"]["store"]) for one in sent} == {("theirs-openai", False)}
    for id, result in results_of(gateway, batch).items():
        body, request_id = result["response"]["body"], result["response"]["request_id"]
        assert said(result) == f"You said: word {id[1:]}"
        assert (body["id"], body["store"]) == (request_id.replace("req_", "resp_"), True)
        assert kept(gateway, body["id"]).json == body
        items = gateway.get(f"{RESPONSES}/{body['id']}/input_items", authorization=f"Bearer {gateway.key}").json
        assert items["data"][0]["content"][0]["text"] == f"word {id[1:]}"
    assert len(gateway.rows(6)) == 6
    check_books(gateway, host, batch)
    goes_on = {"model": "m-openai", "input": "And now?", "previous_response_id": body["id"]}
    assert gateway.post(RESPONSES, goes_on).status_code == 200


def test_what_is_not_to_be_stored_is_told_as_the_provider_made_it_and_not_kept(
    gateway: Gateway, host: BatchHost
) -> None:
    batch = handed(gateway, [response("a", store=False)])
    body = results_of(gateway, batch)["a"]["response"]["body"]
    assert (body["id"], body["store"]) == ("resp_theirs", False)
    assert stored(gateway) == 0
    check_books(gateway, host, batch)


def lines_of_here(gateway: Gateway) -> list[Any]:
    """Each goes on from what is kept here and nowhere else."""
    first = gateway.post(RESPONSES, {"model": "echo", "input": "Once upon a time"}).json
    conversation = gateway.post("/v1/conversations", {}).json["id"]
    item = {"type": "item_reference", "id": first["output"][0]["id"]}
    spoken = {"type": "message", "role": "user", "content": "by name"}
    return [
        response("previous_response_id", "and then?", previous_response_id=first["id"]),
        response("conversation", "who is there?", conversation=conversation),
        response("input", [item, spoken]),
    ]


def test_what_goes_on_from_what_is_kept_here_is_called_here(gateway: Gateway, host: BatchHost) -> None:
    batch = handed(gateway, [*lines_of_here(gateway), response("plain", "plain")])
    assert batch["request_counts"] == {"total": 4, "completed": 4, "failed": 0}
    assert set(host.direct) == {"and then?", "who is there?", "by name"}
    assert set(host.answered) == {"plain"}
    results = results_of(gateway, batch)
    assert all(kept(gateway, one["response"]["body"]["id"]).status_code == 200 for one in results.values())


def test_always_says_by_the_field_why_such_a_line_is_not_handed_over(gateway: Gateway, host: BatchHost) -> None:
    lines = [*lines_of_here(gateway), response("background", background=True), response("plain")]
    batch = handed(gateway, lines, "always")
    results = results_of(gateway, batch)
    assert results.pop("plain")["error"] is None
    assert len(results) == 4
    for field, result in results.items():
        assert result["error"]["code"] == "no_provider_batch"
        assert result["error"]["message"].startswith(f"The line cannot be handed over to its provider: {field}: ")
    assert not host.direct


def test_what_the_provider_refuses_or_leaves_undone_is_kept_only_where_it_is_made(
    gateway: Gateway, host: BatchHost
) -> None:
    host.steps = ("validating", "in_progress", "finalizing", "expired")
    batch = handed(gateway, [response(text, text) for text in ("fine", "bad", "slow", "lost")])
    results = results_of(gateway, batch)
    assert results["bad"]["response"]["status_code"] == 400
    assert set(host.direct) == {"slow", "lost"}
    assert stored(gateway) == 3
    check_books(gateway, host, batch)


@pytest.mark.parametrize("point", HANDOVER_POINTS)
def test_whatever_dies_in_between_each_is_kept_once(
    gateway: Gateway, host: BatchHost, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    class Died(BaseException):
        pass

    reached: list[str] = []

    def reach(name: str) -> None:
        reached.append(name)
        if name == point and reached.count(name) == 1:
            raise Died

    monkeypatch.setattr("tollhouse.crash_points.reach", reach)
    monkeypatch.setattr("tollhouse.services.batches.handover.bookings.MOST_TOGETHER", 4)
    lines = [response(f"c{number}", f"word {number}") for number in range(9)]
    id = submit(gateway, jsonl(lines), endpoint=RESPONSES, provider_batch="always")["id"]
    with pytest.raises(Died):
        work(gateway, id)
    batch = work(gateway, id)
    assert batch["request_counts"] == {"total": 9, "completed": 9, "failed": 0}
    assert stored(gateway) == 9
    assert host.answered.total() == 9
    check_books(gateway, host, batch)


def test_one_that_cannot_be_kept_is_booked_and_not_given(
    gateway: Gateway, host: BatchHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = StoredResponses.add

    def refuses(self: StoredResponses, session: Any, new: Any, document: Any) -> None:
        add(self, session, new, document)
        if "word 1" in str(document):
            raise ValueError("nothing that a database takes")

    monkeypatch.setattr(StoredResponses, "add", refuses)
    batch = handed(gateway, [response(f"c{number}", f"word {number}") for number in range(3)])
    assert batch["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
    refused = results_of(gateway, batch)["c1"]["response"]
    assert (refused["status_code"], refused["body"]["error"]["code"]) == (503, "response_not_stored")
    assert stored(gateway) == 2
    check_books(gateway, host, batch)


def test_where_nothing_is_stored_they_are_handed_over_all_the_same(tmp_path: Path, host: BatchHost) -> None:
    gateway = Gateway(settings_for(tmp_path / "other", store_responses="off"))
    try:
        introduce(gateway, host)
        batch = handed(gateway, [response("plain"), response("wants to", store=True)])
        results = results_of(gateway, batch)
        assert results["plain"]["response"]["body"]["store"] is False
        assert "TOLLHOUSE_STORE_RESPONSES" in results["wants to"]["response"]["body"]["error"]["message"]
        assert not host.direct
    finally:
        gateway.close()
