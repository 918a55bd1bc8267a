"""How providers' own batches are asked for and read, against the types of the vendors' own SDKs."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic.types.messages import MessageBatch, MessageBatchIndividualResponse
from openai.types import Batch

from tollhouse.wire.host_batch import BatchInterface
from tollhouse.wire.host_batches import INTERFACES

OPENAI, ANTHROPIC = INTERFACES["openai"], INTERFACES["anthropic"]
BATCH: dict[str, Any] = {
    "id": "batch_1",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "status": "in_progress",
    "created_at": 1763000000,
    "completion_window": "24h",
    "input_file_id": "file-1",
    "output_file_id": None,
    "error_file_id": None,
    "request_counts": {"total": 3, "completed": 2, "failed": 1},
    "metadata": {"tollhouse_handover": "hov_1"},
}
MESSAGES: dict[str, Any] = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "in_progress",
    "created_at": "2026-11-21T20:00:00Z",
    "expires_at": "2026-11-22T20:00:00Z",
    "request_counts": {"processing": 3, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
}


class Memory:
    """A spool."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, start: int, size: int) -> bytes:
        return self._content[start : start + size]


def whole(interface: BatchInterface, lines: list[bytes]) -> bytes:
    return interface.head + interface.between.join(lines) + interface.tail


def test_openais_lines_are_a_file_that_is_uploaded_for_batches() -> None:
    lines = [OPENAI.line(f"hov_1-{n}", "chat", b'{"model":"m","messages":[]}') for n in (1, 2)]
    content = whole(OPENAI, lines)
    assert [json.loads(line) for line in content.splitlines()] == [
        {
            "custom_id": f"hov_1-{n}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "m", "messages": []},
        }
        for n in (1, 2)
    ]
    errand = OPENAI.send(Memory(content), len(content), "hov_1")
    assert (errand.method, errand.path) == ("POST", "/files")
    assert not isinstance(errand.body, bytes)
    sent = b"".join(errand.body)
    assert len(sent) == len(errand.body)
    assert b'name="purpose"\r\n\r\nbatch\r\n' in sent
    assert b'filename="hov_1.jsonl"' in sent
    assert content in sent


def test_openais_batch_of_it_carries_our_mark() -> None:
    errand = OPENAI.create("file-1", "embeddings", "hov_1")
    assert isinstance(errand.body, bytes)
    assert json.loads(errand.body) == {
        "input_file_id": "file-1",
        "endpoint": "/v1/embeddings",
        "completion_window": "24h",
        "metadata": {"tollhouse_handover": "hov_1"},
    }


@pytest.mark.parametrize(
    ("status", "state", "whole"),
    [
        ("validating", "working", False),
        ("finalizing", "working", False),
        ("cancelling", "working", False),
        ("something new", "working", False),
        ("completed", "ended", True),
        ("expired", "ended", False),
        ("cancelled", "ended", False),
        ("failed", "refused", False),
    ],
)
def test_openais_batch_is_read(status: str, state: str, whole: bool) -> None:
    shown = {**BATCH, "status": status, "output_file_id": "file-2", "error_file_id": "file-3"}
    shown["errors"] = {"object": "list", "data": [{"message": "No."}, {"code": "odd"}]}
    if status != "something new":
        Batch.model_validate(shown)
    batch = OPENAI.read(shown)
    assert (batch.id, batch.state, batch.whole, batch.mark) == ("batch_1", state, whole, "hov_1")
    assert (batch.outputs, batch.reason) == (["file-2", "file-3"], "No.; odd")
    assert [errand.path for errand in OPENAI.results(batch)] == ["/files/file-2/content", "/files/file-3/content"]


def test_an_id_of_a_providers_leaves_no_path() -> None:
    assert OPENAI.look("../secrets?x").path == "/batches/..%2Fsecrets%3Fx"
    assert ANTHROPIC.cancel("a/b").path == "/v1/messages/batches/a%2Fb/cancel"


@pytest.mark.parametrize(
    ("line", "status", "told"),
    [
        ({"response": {"status_code": 200, "request_id": "r", "body": {"a": 1}}, "error": None}, 200, ""),
        ({"response": {"status_code": 400, "request_id": "r", "body": {"error": {}}}, "error": None}, 400, ""),
        ({"response": None, "error": {"code": "batch_expired", "message": "Late."}}, 0, "expired"),
        ({"response": {"status_code": "200"}}, 0, "no_answer"),
        ({}, 0, "no_answer"),
    ],
)
def test_openais_results_are_read(line: dict[str, Any], status: int, told: str) -> None:
    result = OPENAI.read_result(json.dumps({"id": "batch_req_1", "custom_id": "hov_1-7", **line}).encode())
    assert (result.custom_id, result.status, result.told) == ("hov_1-7", status, told)


def test_anthropics_requests_are_one_body() -> None:
    lines = [ANTHROPIC.line(f"hov_1-{n}", "messages", b'{"model":"m"}') for n in (1, 2)]
    content = whole(ANTHROPIC, lines)
    errand = ANTHROPIC.send(Memory(content), len(content), "hov_1")
    assert (errand.path, errand.content_type) == ("/v1/messages/batches", "application/json")
    assert not isinstance(errand.body, bytes)
    assert json.loads(b"".join(errand.body)) == {
        "requests": [{"custom_id": f"hov_1-{n}", "params": {"model": "m"}} for n in (1, 2)]
    }


def test_anthropics_batch_is_read_and_its_results_are_not_fetched_where_it_points_to() -> None:
    MessageBatch.model_validate(MESSAGES)
    batch = ANTHROPIC.read({**MESSAGES, "processing_status": "ended", "results_url": "https://elsewhere.example/x"})
    assert (batch.state, batch.whole, batch.created_at) == ("ended", True, 1795291200.0)
    assert [errand.path for errand in ANTHROPIC.results(batch)] == ["/v1/messages/batches/msgbatch_1/results"]
    assert ANTHROPIC.read({**MESSAGES, "processing_status": "canceling"}).state == "working"


def results() -> Iterator[tuple[dict[str, Any], int, str]]:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "No."}}
    busy = {"type": "error", "error": {"type": "overloaded_error", "message": "No."}}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    usage = {"input_tokens": 1, "output_tokens": 1}
    yield {"type": "succeeded", "message": {**message, "stop_reason": "end_turn", "usage": usage}}, 200, ""
    yield {"type": "errored", "error": error}, 400, ""
    yield {"type": "errored", "error": busy}, 529, ""
    yield {"type": "canceled"}, 0, "cancelled"
    yield {"type": "expired"}, 0, "expired"


@pytest.mark.parametrize(("given", "status", "told"), list(results()))
def test_anthropics_results_are_read(given: dict[str, Any], status: int, told: str) -> None:
    line = {"custom_id": "hov_1-7", "result": given}
    MessageBatchIndividualResponse.model_validate(line)
    result = ANTHROPIC.read_result(json.dumps(line).encode())
    assert (result.custom_id, result.status, result.told) == ("hov_1-7", status, told)


@pytest.mark.parametrize("interface", [OPENAI, ANTHROPIC])
@pytest.mark.parametrize("document", [None, [], "x", 7, {}, {"id": 7}, {"status": "completed"}])
def test_what_is_no_batch_is_not_taken_for_one(interface: BatchInterface, document: Any) -> None:
    for read in (interface.read, interface.read_page, interface.read_file):
        with pytest.raises(ValueError, match=r"missing|uploaded"):
            read(document)
    with pytest.raises(ValueError, match="missing"):
        interface.read_result(json.dumps(document).encode())


@pytest.mark.parametrize(("interface", "shown"), [(OPENAI, BATCH), (ANTHROPIC, MESSAGES)])
def test_a_page_says_whether_there_is_another(interface: BatchInterface, shown: dict[str, Any]) -> None:
    page = interface.read_page({"data": [shown, {**shown, "id": "last"}], "has_more": True})
    assert ([one.id for one in page.batches], page.after) == ([shown["id"], "last"], "last")
    assert interface.read_page({"data": [shown], "has_more": False}).after is None
    assert interface.page("last").path.endswith("=last")


def test_a_line_of_embeddings_counts_for_each_of_its_inputs() -> None:
    assert [OPENAI.inputs({"input": given}) for given in ("a", ["a", "b"], [1, 2, 3], [[1], [2], [3]])] == [1, 2, 1, 3]
