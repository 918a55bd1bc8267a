"""A host that answers garbage, half, or a failure: what the client is told, the operator, and the ledger."""

import json
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.canned import EVENTS, JSON, CannedHost
from tests.gateway import CHAT, EMBEDDINGS, MESSAGES, Gateway
from tests.ledgers import open_holds
from tollhouse.domain.errors import UpstreamGone, UpstreamTimeout

GONE = UpstreamGone("Provider acme closed the connection in the middle of its answer.")
LATE = UpstreamTimeout("Provider acme sent nothing for 60 s.")
PAGE = b"<html><body>Welcome to nginx!</body></html>"
DEEP = b'{"id":' + b"[" * 2000 + b"]" * 2000 + b"}"
WAYS = [("chat", "chat"), ("chat", "messages"), ("messages", "messages"), ("messages", "chat")]
"""(what the client speaks, what the host speaks)"""

WHOLE = {
    "chat": b'{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}',
    "messages": b'{"id":"m","type":"message","role":"assistant","content":[{"type":"text","text":"Hi"}],"usage":{}}',
    "embeddings": b'{"object":"list","data":[],"usage":{"prompt_tokens":1,"total_tokens":1}}',
}
ERRORS = {
    "chat": b'{"error":{"message":"The model crashed.","type":"server_error","param":null,"code":null}}',
    "messages": b'{"type":"error","error":{"type":"api_error","message":"The model crashed."}}',
}
ERRORS["embeddings"] = ERRORS["chat"]
FIRST = {
    "chat": b'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"}}]}\n\n',
    "messages": (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","usage":{"input_tokens":3}}}\n\n'
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":'
        b'{"type":"text","text":""}}\n\n'
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
        b'{"type":"text_delta","text":"Hi"}}\n\n'
    ),
}
FINISHED = {
    "chat": b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
    "messages": b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n',
}
"""All but the last event: no `[DONE]`, no `message_stop`."""


def ask(gateway: Gateway, format: str, *, stream: bool = False) -> TestResponse:
    if format == "embeddings":
        return gateway.post(EMBEDDINGS, {"model": "canned", "input": "Hi"})
    body = {"model": "canned", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    return gateway.post(CHAT if format == "chat" else MESSAGES, body)


def is_error(document: Any, client: str) -> bool:
    """Whether it is an error in the client's own shape, with a sentence for people."""
    error = document["error"]
    return (document.get("type") == "error") == (client == "messages") and error["type"] and len(error["message"]) > 10


def settled_once(gateway: Gateway, host: CannedHost) -> Any:
    (row,) = gateway.rows()
    assert open_holds(gateway.services.database) == []
    assert [exchange.closed for exchange in host.exchanges] == [True]
    return row


def warned(caplog: pytest.LogCaptureFixture) -> bool:
    """Whether the operator finds a line of what went wrong with the host."""
    return any(line.getMessage() in ("upstream_failed", "upstream_rejected") for line in caplog.records)


BEFORE = [
    pytest.param((PAGE,), JSON, 502, id="garbage"),
    pytest.param((PAGE,), "text/html", 502, id="a-page"),
    pytest.param((), JSON, 502, id="nothing"),
    pytest.param((b"",), "", 502, id="no-content-type"),
    pytest.param((b"null",), JSON, 502, id="null"),
    pytest.param((b'"Hi"',), JSON, 502, id="a-text"),
    pytest.param((b"[]",), JSON, 502, id="a-list"),
    pytest.param((b"{}",), JSON, 502, id="an-empty-object"),
    pytest.param((b'{"status":"ok","choices":{},"content":"x","data":1}',), JSON, 502, id="another-object"),
    pytest.param((DEEP,), JSON, 502, id="too-deep"),
    pytest.param((b"\xff\xfe",), JSON, 502, id="no-utf-8"),
    pytest.param((WHOLE, GONE), JSON, 502, id="half"),
    pytest.param((WHOLE, LATE), JSON, 504, id="half-and-silence"),
    pytest.param((FIRST,), EVENTS, 502, id="a-stream-that-nobody-asked-for"),
    pytest.param((ERRORS,), JSON, 500, id="an-error-under-success"),
]


@pytest.mark.parametrize(("pieces", "content_type", "status"), BEFORE)
@pytest.mark.parametrize(("client", "format"), [*WAYS, ("embeddings", "embeddings")])
def test_a_whole_answer_that_is_none_is_an_error(
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    client: str,
    format: str,
    pieces: tuple[Any, ...],
    content_type: str,
    status: int,
) -> None:
    host = CannedHost(gateway, monkeypatch, format)
    given = [piece.get(format, b"") if isinstance(piece, dict) else piece for piece in pieces]
    if len(given) > 1:
        given[0] = given[0][: len(given[0]) // 2]
    host.says(*given, content_type=content_type)
    response = ask(gateway, client)
    assert response.status_code == status
    assert is_error(response.json, client)
    assert settled_once(gateway, host).status == status
    assert warned(caplog)


@pytest.mark.parametrize(
    "said", [b'{"choices":[]}', b'{"choices":[{}]}', b'{"choices":[{"message":"Hi"}]}', b'{"choices":[7]}']
)
def test_a_completion_that_says_nothing_is_no_message(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    host = CannedHost(gateway, monkeypatch, "chat")
    host.says(said)
    response = ask(gateway, "messages")
    assert response.status_code == 502
    assert is_error(response.json, "messages")
    assert settled_once(gateway, host).outcome == "upstream_invalid"
    assert warned(caplog)


def test_a_completion_that_its_host_broke_off_is_booked_and_no_message(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = CannedHost(gateway, monkeypatch, "chat")
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hal"}, "finish_reason": "error"}
    host.says(json.dumps({"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}).encode())
    response = ask(gateway, "messages")
    assert (response.status_code, response.json["error"]["type"]) == (502, "api_error")
    row = settled_once(gateway, host)
    assert (row.input_tokens, row.output_tokens, row.estimated) == (7, 2, False)


BEFORE_A_STREAM = [
    pytest.param((b"data: <html>\n\n",), EVENTS, 502, id="garbage"),
    pytest.param((PAGE,), "text/html", 502, id="a-page"),
    pytest.param((WHOLE,), JSON, 502, id="a-document"),
    pytest.param((), EVENTS, 502, id="nothing"),
    pytest.param((b": keep-alive\n\n",), EVENTS, 502, id="comments-alone"),
    pytest.param((GONE,), EVENTS, 502, id="gone"),
    pytest.param((LATE,), EVENTS, 504, id="silence"),
    pytest.param((b"data: ", ERRORS, b"\n\n"), EVENTS, 500, id="an-error-event-first"),
]


@pytest.mark.parametrize(("pieces", "content_type", "status"), BEFORE_A_STREAM)
@pytest.mark.parametrize(("client", "format"), WAYS)
def test_a_stream_that_never_began_is_an_error_with_a_status_of_its_own(
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    client: str,
    format: str,
    pieces: tuple[Any, ...],
    content_type: str,
    status: int,
) -> None:
    host = CannedHost(gateway, monkeypatch, format)
    host.says(*[piece[format] if isinstance(piece, dict) else piece for piece in pieces], content_type=content_type)
    response = ask(gateway, client, stream=True)
    assert response.status_code == status
    assert is_error(response.json, client)
    settled_once(gateway, host)
    assert warned(caplog)


AFTER = [
    pytest.param((), "upstream_gone", id="half"),
    pytest.param((GONE,), "upstream_gone", id="cut"),
    pytest.param((LATE,), "upstream_timeout", id="silence"),
    pytest.param((FINISHED,), "upstream_gone", id="no-last-event"),
    pytest.param((b"data: <html>\n\n",), "upstream_invalid", id="garbage"),
    pytest.param((b"data: [1]\n\n",), "upstream_invalid", id="an-event-of-another-kind"),
    pytest.param((b"data: " + b'{"id":' * 2000 + b"}" * 2000 + b"\n\n",), "", id="too-deep"),
    pytest.param((b'data: {"id": "c", "cho',), "upstream_gone", id="half-an-event"),
    pytest.param((PAGE,), "upstream_gone", id="a-page"),
    pytest.param((b"event: error\ndata: ", ERRORS, b"\n\n"), "upstream_error", id="an-error-event"),
]


@pytest.mark.parametrize(("pieces", "outcome"), AFTER)
@pytest.mark.parametrize(("client", "format"), WAYS)
def test_a_stream_that_breaks_ends_in_one_error_event_and_never_cleanly(
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    client: str,
    format: str,
    pieces: tuple[Any, ...],
    outcome: str,
) -> None:
    host = CannedHost(gateway, monkeypatch, format)
    rest = [piece[format] if isinstance(piece, dict) else piece for piece in pieces]
    host.says(FIRST[format], *rest, content_type=EVENTS)
    response = ask(gateway, client, stream=True)
    assert response.status_code == 200
    text = response.get_data(as_text=True)
    assert "[DONE]" not in text
    assert "message_stop" not in text
    events = [event for event in text.split("\n\n") if event.strip()]
    last = json.loads(events[-1].partition("data: ")[2])
    assert is_error(last, client)
    errors = [event for event in events if '"error":{' in event]
    assert errors == events[-1:]
    row = settled_once(gateway, host)
    # What passes from chat to chat is not read, but for its ends.
    expected = outcome or ("upstream_gone" if client == format == "chat" else "upstream_invalid")
    assert (row.status, row.outcome, row.estimated) == (200, expected, True)
    assert warned(caplog)


LAST = {
    "chat": FINISHED["chat"] + b"data: [DONE]\n\n",
    "messages": FINISHED["messages"] + b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
}


@pytest.mark.parametrize("bad", [b"{not json", b'{"id":"\xff"}', b"5", b"null"])
@pytest.mark.parametrize(("client", "format"), WAYS)
def test_an_event_that_cannot_be_read_fails_a_stream_that_goes_on_as_if_nothing_were(
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    client: str,
    format: str,
    bad: bytes,
) -> None:
    host = CannedHost(gateway, monkeypatch, format)
    host.says(FIRST[format], b"data: " + bad + b"\n\n" + LAST[format], content_type=EVENTS)
    text = ask(gateway, client, stream=True).data.decode()
    assert "[DONE]" not in text
    assert "message_stop" not in text
    last = json.loads(text.strip().split("\n\n")[-1].partition("data: ")[2])
    assert is_error(last, client)
    assert last["error"]["message"] == "The provider acme sent an event that is not a JSON object."
    row = settled_once(gateway, host)
    assert (row.outcome, row.estimated) == ("upstream_invalid", True)
    assert [line.getMessage() for line in caplog.records].count("upstream_failed") == 1


@pytest.mark.parametrize(("client", "format"), WAYS)
def test_an_error_document_in_place_of_a_stream_is_the_hosts_own_error_and_free(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, client: str, format: str
) -> None:
    host = CannedHost(gateway, monkeypatch, format)
    host.says(ERRORS[format], content_type="application/json; charset=utf-8")
    whole, streamed = ask(gateway, client), ask(gateway, client, stream=True)
    assert streamed.status_code == whole.status_code == 500
    assert "The model crashed." in streamed.json["error"]["message"]
    assert streamed.json["error"] == whole.json["error"]
    assert [(row.outcome, row.cost) for row in gateway.rows(2)] == [("upstream_rejected", 0)] * 2


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/completions", {"prompt": "Hi", "stream": True}),
        ("/v1/responses", {"input": "Hi", "stream": True, "store": False}),
        ("/v1/audio/speech", {"input": "Hi", "voice": "alloy"}),
    ],
)
def test_an_error_document_in_place_of_events_or_sound_is_the_hosts_own_error_and_free(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, path: str, fields: dict[str, Any]
) -> None:
    host = CannedHost(gateway, monkeypatch, "chat")
    host.says(ERRORS["chat"])
    response = gateway.post(path, {"model": "canned", **fields})
    assert (response.status_code, "The model crashed." in response.json["error"]["message"]) == (500, True)
    row = settled_once(gateway, host)
    assert (row.outcome, row.cost) == ("upstream_rejected", 0)


@pytest.mark.parametrize("bad", [(), (GONE,), (b"data: {not json\n\n",)])
@pytest.mark.parametrize("format", ["chat", "responses"])
def test_a_response_that_breaks_off_ends_in_an_event_of_its_own_format(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, format: str, bad: tuple[Any, ...]
) -> None:
    host = CannedHost(gateway, monkeypatch, format)
    first = {**FIRST, "responses": b'data: {"type":"response.created","sequence_number":0,"response":{}}\n\n'}
    host.says(first[format], *bad, content_type=EVENTS)
    response = gateway.post("/v1/responses", {"model": "canned", "input": "Hi", "stream": True, "store": False})
    events = [event.partition("data: ") for event in response.get_data(as_text=True).strip().split("\n\n")]
    last = json.loads(events[-1][2])
    assert json.loads(events[0][2])["type"] == "response.created"
    assert events[-1][0] == "event: error\n"
    assert last.keys() == {"type", "code", "message", "param", "sequence_number"}
    assert (last["type"], last["sequence_number"]) == ("error", len(events) - 1)
    assert "acme" in last["message"]
    assert settled_once(gateway, host).outcome == last["code"]
