"""A host's error, as clients of either vendor get it: by status, under a status of success, and in a stream."""

import json
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.canned import EVENTS, CannedHost
from tests.gateway import CHAT, MESSAGES, Gateway
from tests.ledgers import open_holds

FOLDER = Path(__file__).parents[2] / "golden" / "errors"
CASES = sorted(FOLDER.glob("*.json"))
CLIENTS = {"openai": CHAT, "anthropic": MESSAGES}
OVERLOADED = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
BUSY = b'{"error":{"message":"Busy.","type":"service_unavailable_error","param":null,"code":"server_is_overloaded"}}'
CHAT_BEGINS = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
MESSAGE_BEGINS = b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","usage":{}}}\n\n'


def ask(gateway: Gateway, client: str, *, stream: bool = False) -> TestResponse:
    body = {"model": "canned", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    return gateway.post(CLIENTS[client], body)


def told(response: TestResponse) -> dict[str, Any]:
    """The error, without what is another each time."""
    body = dict(response.json)
    if "request_id" in body:  # the host's own, where its answer is passed on as it came
        assert body.pop("request_id") in (response.headers["request-id"], "req_host")
    return {"status": response.status_code, "body": body}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_an_error_is_told_in_the_clients_own_shape(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, path: Path, client: str
) -> None:
    case = json.loads(path.read_text())
    host = CannedHost(gateway, monkeypatch, case["format"])
    host.says(json.dumps(case["says"]).encode(), status=case["status"])
    assert told(ask(gateway, client)) == case[client]
    (row,) = gateway.rows()
    assert (row.cost, row.outcome) == (0, "upstream_rejected")
    assert open_holds(gateway.services.database) == []
    assert host.exchanges[0].closed


BUSY_HOSTS = [("messages", OVERLOADED), ("chat", BUSY)]


@pytest.mark.parametrize(("format", "says"), BUSY_HOSTS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_busy_host_is_a_busy_host_under_a_status_of_success_too(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, format: str, says: bytes, *, stream: bool
) -> None:
    host = CannedHost(gateway, monkeypatch, format)
    if stream:
        host.says(b"event: error\ndata: " + says + b"\n\n", content_type=EVENTS)
    else:
        host.says(says)
    openai, anthropic = ask(gateway, "openai", stream=stream), ask(gateway, "anthropic", stream=stream)
    assert (openai.status_code, anthropic.status_code) == (503, 529)
    if format == "messages":
        assert openai.json["error"]["code"] == "server_is_overloaded"
        assert openai.json["error"]["type"] == "server_error"
    assert anthropic.json["error"]["type"] == "overloaded_error"
    assert [row.cost for row in gateway.rows(2)] == [0, 0]


@pytest.mark.parametrize(("format", "says"), BUSY_HOSTS)
def test_a_busy_host_is_one_in_the_middle_of_a_stream(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, format: str, says: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    host = CannedHost(gateway, monkeypatch, format)
    begins = CHAT_BEGINS if format == "chat" else MESSAGE_BEGINS
    host.says(begins, b"event: error\ndata: " + says + b"\n\n", content_type=EVENTS)
    for client, kind in (("openai", "server_error"), ("anthropic", "overloaded_error")):
        events = ask(gateway, client, stream=True).get_data(as_text=True).strip().split("\n\n")
        last = json.loads(events[-1].partition("data: ")[2])
        native = (format == "messages") == (client == "anthropic")
        assert last["error"]["type"] == ("service_unavailable_error" if native and client == "openai" else kind)
        assert sum('"error"' in event for event in events) == 1
        assert "[DONE]" not in events[-1]
    assert [row.outcome for row in gateway.rows(2)] == ["upstream_error"] * 2
    failures = [line for line in caplog.records if line.getMessage() == "upstream_failed"]
    assert len(failures) == 2


def test_what_a_host_says_of_its_own_key_is_not_passed_on(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    host = CannedHost(gateway, monkeypatch, "chat")
    for says in (
        {"error": {"message": "Incorrect API key provided: sk-123", "type": "authentication_error", "code": 401}},
        {"error": {"message": "Incorrect API key provided: sk-123", "code": 402}},
    ):
        host.says(json.dumps(says).encode())
        for client in CLIENTS:
            response = ask(gateway, client)
            assert response.status_code == 502
            assert "sk-123" not in response.get_data(as_text=True)
