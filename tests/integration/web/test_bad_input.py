"""What nobody should send: refused at once, in the vendor's own shape, by the field's name, and for nothing."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.canned import CannedHost
from tests.gateway import CHAT, EMBEDDINGS, MESSAGES, Gateway, settings_for
from tests.ledgers import booked, open_holds
from tollhouse.domain.errors import InvalidField
from tollhouse.services.models.models import NewModel
from tollhouse.wire import FORMATS

USER = {"role": "user", "content": "Hi"}
MARKED = {"type": "text", "text": "Hi", "cache_control": 5}
SMALLEST: dict[str, dict[str, Any]] = {
    CHAT: {"model": "echo", "messages": [USER]},
    MESSAGES: {"model": "echo", "messages": [USER], "max_tokens": 9},
    EMBEDDINGS: {"model": "echo", "input": "Hi"},
}
WHOLE = {
    "chat": b'{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}',
    "messages": b'{"type":"message","content":[{"type":"text","text":"Hi"}]}',
}
LONG = "x" * 10_000_000
FASTEST = 0.2
"""Seconds of this process in which a refusal is made, whatever was sent."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(settings_for(tmp_path_factory.mktemp("home")))
    yield gateway
    gateway.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that is called, and has rows."""
    gateway = Gateway(settings_for(tmp_path / "home"))
    yield gateway
    gateway.close()


def refused(gateway: Gateway, path: str, body: bytes) -> dict[str, Any]:
    """The error of a request that is refused and costs nothing."""
    began = time.process_time()
    response = gateway.post(path, body)
    took = time.process_time() - began
    assert response.status_code == 400, response.get_data(as_text=True)[:300]
    assert took < FASTEST
    error: dict[str, Any] = response.json["error"]
    assert (response.json.get("type") == "error") == (path == MESSAGES)
    assert error["type"] == "invalid_request_error"
    assert len(error["message"]) < 500
    assert response.headers["x-request-id"]
    assert booked(gateway.services.database) == []
    assert open_holds(gateway.services.database) == []
    return error


NO_JSON = {
    "nothing": b"",
    "half": b'{"model": "echo", "messages": [{"role"',
    "a-list": b"[]",
    "a-text": b'"hi"',
    "null": b"null",
    "a-number": b"7",
    "a-page": b"<html>",
    "a-form": b"model=echo&messages=hi",
    "nan": b'{"model": "echo", "temperature": NaN}',
    "infinity": b'{"model": "echo", "temperature": -Infinity}',
    "too-large-a-power": b'{"model": "echo", "temperature": 1e400}',
    "too-large-an-integer": b'{"model": "echo", "seed": 1' + b"0" * 30 + b"}",
    "no-utf-8": b'{"model": "echo", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
    "half-a-surrogate": b'{"model": "echo", "messages": [{"role": "user", "content": "\xed\xa0\x80"}]}',
    "nul": b'{"model": "echo"}\x00',
    "a-comment": b'{"model": "echo" /* mine */}',
    "two": b'{"model": "echo"} {"model": "echo"}',
    "deep-lists": b'{"model": "echo", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep-objects": b'{"model": "echo", "x": ' + b'{"a":' * 500 + b"1" + b"}" * 501,
    "deeper-than-is-read": b'{"a":' * 200_000,
    "ten-megabytes-of-digits": b'{"model": ' + b"9" * 10_000_000 + b"}",
}


@pytest.mark.parametrize("path", SMALLEST)
@pytest.mark.parametrize("name", NO_JSON)
def test_what_is_no_json_object_is_told_so(gateway: Gateway, path: str, name: str) -> None:
    error = refused(gateway, path, NO_JSON[name])
    assert path == MESSAGES or error["code"] == "invalid_json"


EVERYWHERE: list[tuple[str, Any, str]] = [
    *(("model", value, "model") for value in (None, 5, True, "", [], {}, LONG, "x" * 201)),
]
CONVERSED: list[tuple[str, Any, str]] = [
    *(("messages", value, "messages") for value in (None, "Hi", 7, True, {}, [], LONG)),
    *(("messages", [value], "messages[0]") for value in (None, "Hi", 7, True, [], [USER])),
    ("messages", [USER, {}], "messages[1].role"),
    *(("messages", [{**USER, "role": value}], "messages[0].role") for value in (None, "", 7, [], "boss", "USER", LONG)),
    *(("messages", [USER, {**USER, "content": value}], "messages[1].content") for value in (7, True, {})),
    *(("messages", [{**USER, "content": [value]}], "messages[0].content[0]") for value in (None, 7, "Hi", [])),
    *(("max_tokens", value, "max_tokens") for value in (-1, 0, 1.5, True, "9", 2**31, 2**63, [], {}, 1e300)),
    *(("temperature", value, "temperature") for value in (-1, -0.01, 2.01, "1", True, [], {}, 1e300)),
    *(("top_p", value, "top_p") for value in (-1, 1.01, "1", True, [])),
    *(("stream", value, "stream") for value in (1, "true", [], {})),
    *(("tools", value, "tools") for value in (7, "f", {}, True)),
    *(("tools", [value], "tools[0]") for value in (None, 7, "f", [])),
    *(("metadata", value, "metadata") for value in (7, "x", [])),
    *(("service_tier", value, "service_tier") for value in (7, [], {})),
]
FIELDS: dict[str, list[tuple[str, Any, str]]] = {
    CHAT: [
        *EVERYWHERE,
        *CONVERSED,
        *(("max_completion_tokens", value, "max_completion_tokens") for value in (-1, 0, 1.5, True, "9", 2**31)),
        *(("n", value, "n") for value in (-1, 0, 129, 1.5, True, "1")),
        *(("seed", value, "seed") for value in (1.5, "1", True, [])),
        *(("presence_penalty", value, "presence_penalty") for value in (-2.1, 2.1, "0", True)),
        *(("frequency_penalty", value, "frequency_penalty") for value in (-2.1, 2.1, "0", True)),
        *(("logprobs", value, "logprobs") for value in (1, "true")),
        *(("top_logprobs", value, "top_logprobs") for value in (-1, 1.5, True)),
        *(("logit_bias", value, "logit_bias") for value in (1, [], "x")),
        *(("stop", value, "stop") for value in (7, {}, True)),
        ("stop", ["a", None], "stop[1]"),
        ("tools", [{"type": "function", "cache_control": "ephemeral"}], "tools[0].cache_control"),
        ("messages", [{"role": "user", "content": "Hi", "cache_control": True}], "messages[0].cache_control"),
        (
            "messages",
            [{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": 7}]}],
            "messages[0].content[0].cache_control",
        ),
        *(("stream_options", value, "stream_options") for value in (True, [], "x")),
        ("stream_options", {"include_usage": "yes"}, "stream_options.include_usage"),
        *(("response_format", value, "response_format") for value in ("json", [], 7)),
        *(("tool_choice", value, "tool_choice") for value in (7, [], True)),
        *(("reasoning_effort", value, "reasoning_effort") for value in (7, {}, True)),
        *(("parallel_tool_calls", value, "parallel_tool_calls") for value in (1, "no")),
        *(("user", value, "user") for value in (7, {}, [])),
        ("messages", [USER, {"role": "assistant", "tool_calls": {}}], "messages[1].tool_calls"),
        ("messages", [USER, {"role": "assistant", "tool_calls": [7]}], "messages[1].tool_calls[0]"),
        ("messages", [USER, {"role": "tool", "tool_call_id": 7, "content": ""}], "messages[1].tool_call_id"),
    ],
    MESSAGES: [
        *EVERYWHERE,
        *CONVERSED,
        ("max_tokens", None, "max_tokens"),
        ("temperature", 1.01, "temperature"),
        ("messages", [{**USER, "content": None}], "messages[0].content"),
        ("messages", [{**USER, "role": "tool"}], "messages[0].role"),
        ("messages", [{**USER, "content": [{"text": "Hi"}]}], "messages[0].content[0].type"),
        *(("system", value, "system") for value in (7, {}, True)),
        ("system", [7], "system[0]"),
        *(("stop_sequences", value, "stop_sequences") for value in ("x", 7, {})),
        ("stop_sequences", [None], "stop_sequences[0]"),
        *(("top_k", value, "top_k") for value in (-1, 1.5, "1", True)),
        *(("thinking", value, "thinking") for value in (True, "enabled", [])),
        *(("tool_choice", value, "tool_choice") for value in ("any", 7, [])),
        *(("output_config", value, "output_config") for value in ("low", [])),
        ("metadata", {"user_id": 5}, "metadata.user_id"),
        *(("mcp_servers", value, "mcp_servers") for value in (5, "x", {})),
        ("mcp_servers", [5], "mcp_servers[0]"),
        *(("cache_control", value, "cache_control") for value in (5, "ephemeral", [])),
        ("system", [MARKED], "system[0].cache_control"),
        ("tools", [MARKED], "tools[0].cache_control"),
        ("messages", [{**USER, "content": [MARKED]}], "messages[0].content[0].cache_control"),
        (
            "messages",
            [{**USER, "content": [{"type": "tool_result", "content": [MARKED]}]}],
            "messages[0].content[0].content[0].cache_control",
        ),
    ],
    EMBEDDINGS: [
        *EVERYWHERE,
        *(("input", value, "input") for value in (None, 7, True, "", [], {})),
        *(("input", ["a", value], "input[1]") for value in (None, 1.5, True)),
        *(("dimensions", value, "dimensions") for value in (-1, 0, 1.5, True, "9", 65537)),
        *(("encoding_format", value, "encoding_format") for value in ("hex", "", 7, [])),
        *(("user", value, "user") for value in (7, {})),
    ],
}
CASES = [
    pytest.param(path, field, value, param, id=f"{path}-{param}-{str(value)[:20]}-{number}")
    for path, rows in FIELDS.items()
    for number, (field, value, param) in enumerate(rows)
]


@pytest.mark.parametrize(("path", "field", "value", "param"), CASES)
def test_a_field_that_is_wrong_is_named(gateway: Gateway, path: str, field: str, value: Any, param: str) -> None:
    error = refused(gateway, path, json.dumps({**SMALLEST[path], field: value}).encode())
    assert error["message"].startswith(f"{param}: ")
    if path != MESSAGES:
        assert (error["param"], error["code"]) == (param, "invalid_value")


def test_a_field_that_is_wrong_is_named_before_a_budget_is_asked(own: Gateway) -> None:
    own.services.budgets.set(("key", own.key_id()), 10**9, "day")
    error = refused(own, MESSAGES, json.dumps({**SMALLEST[MESSAGES], "mcp_servers": 5}).encode())
    assert error["message"].startswith("mcp_servers: ")


@pytest.mark.parametrize("path", SMALLEST)
def test_a_field_that_is_missing_is_named(gateway: Gateway, path: str) -> None:
    for field in SMALLEST[path]:
        body = {name: value for name, value in SMALLEST[path].items() if name != field}
        assert refused(gateway, path, json.dumps(body).encode())["message"] == f"{field}: this field is required."


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        *(("input", value, "input") for value in (7, True, {}, "", [])),
        *(("input", [value], "input[0]") for value in (None, 7, "Hi", [])),
        ("input", [{"role": "boss", "content": "Hi"}], "input[0].role"),
        ("input", [{"role": "user", "content": 7}], "input[0].content"),
        ("input", [{"role": "user", "content": [{"cache_control": 7}]}], "input[0].content[0].cache_control"),
        *(("max_output_tokens", value, "max_output_tokens") for value in (-1, 0, 1.5, True, "9", 2**31)),
        *(("temperature", value, "temperature") for value in (-1, 2.01, "1", True)),
        *(("top_p", value, "top_p") for value in (-1, 1.01, "1", True)),
        *(("top_logprobs", value, "top_logprobs") for value in (-1, 21, True)),
        *(("seed", value, "seed") for value in (1.5, "1", True, [None])),
        *(("logit_bias", value, "logit_bias") for value in (7, "x", [])),
        *((field, 3, field) for field in ("presence_penalty", "frequency_penalty")),
        *(("stream", value, "stream") for value in (1, "true")),
        *(("store", value, "store") for value in (1, "true")),
        *(("background", value, "background") for value in (1, "true")),
        *(("tools", value, "tools") for value in (7, {})),
        ("tools", [7], "tools[0]"),
        *(("text", value, "text") for value in (7, "x", [])),
        *(("reasoning", value, "reasoning") for value in (7, "low", [])),
        *(("truncation", value, "truncation") for value in ("some", 7)),
        ("metadata", {"a": 1}, "metadata.a"),
        ("include", [7], "include[0]"),
        ("previous_response_id", 7, "previous_response_id"),
        ("conversation", {}, "conversation.id"),
        *(("instructions", value, "instructions") for value in (7, [])),
        *(("model", value, "model") for value in (None, 7, "", [], LONG)),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_field_of_a_response_that_is_wrong_is_named(field: str, value: Any, param: str) -> None:
    with pytest.raises(InvalidField) as raised:
        FORMATS["responses"].read({"model": "m", "input": "Hi", field: value}, 1)
    assert raised.value.param == param
    assert len(raised.value.message) < 500


INSIDE = "http://169.254.169.254/latest/meta-data/"


@pytest.mark.parametrize(("client", "host"), [("chat", "chat"), ("chat", "messages"), ("messages", "chat")])
def test_an_image_url_that_points_inside_the_network_is_fetched_by_nobody_here(
    own: Gateway, monkeypatch: pytest.MonkeyPatch, client: str, host: str
) -> None:
    upstream = CannedHost(own, monkeypatch, host)
    upstream.says(b'{"error": {"message": "No such image."}}', status=400)
    image: dict[str, Any] = {"type": "image_url", "image_url": {"url": INSIDE}}
    if client == "messages":
        image = {"type": "image", "source": {"type": "url", "url": INSIDE}}
    body = {"model": "canned", "max_tokens": 9, "messages": [{"role": "user", "content": [image]}]}
    assert own.post(CHAT if client == "chat" else MESSAGES, body).status_code == 400
    assert INSIDE.encode() in upstream.asked[0]


CALLED = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USED = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
NATIVE = [
    (CHAT, "chat", [USER, {"role": "tool", "tool_call_id": "z", "content": "x"}], "messages[1].tool_call_id"),
    (CHAT, "chat", [USER, {"role": "assistant", "tool_calls": [CALLED]}, USER], "messages[1].tool_calls[0].id"),
    (
        CHAT,
        "chat",
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,{}"}}]}],
        "messages[0].content[0].image_url.url",
    ),
    (
        MESSAGES,
        "messages",
        [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "z", "content": "x"}]}],
        "messages[0].content[0].tool_use_id",
    ),
    (MESSAGES, "messages", [USER, {"role": "assistant", "content": [USED]}, USER], "messages[1].content[0].id"),
    (
        MESSAGES,
        "messages",
        [
            {
                "role": "user",
                "content": [{"type": "image", "source": {"type": "base64", "media_type": "x", "data": "{}"}}],
            }
        ],
        "messages[0].content[0].source.data",
    ),
]


@pytest.mark.parametrize(("path", "format", "messages", "param"), NATIVE)
def test_a_conversation_that_some_hosts_take_is_theirs_to_judge_and_no_translations(
    own: Gateway, monkeypatch: pytest.MonkeyPatch, path: str, format: str, messages: list[Any], param: str
) -> None:
    body = {"model": "canned", "max_tokens": 9, "messages": messages}
    upstream = CannedHost(own, monkeypatch, format)
    upstream.says(WHOLE[format])
    assert own.post(path, body).status_code == 200
    assert json.loads(upstream.asked[0])["messages"] == messages
    own.rows(1)
    monkeypatch.undo()
    own.services.providers.add("other", "anthropic" if format == "chat" else "openai", "https://other.example")
    own.services.models.add(NewModel("translated", "other", "x", input_price=1, output_price=1, context_window=99))
    own.services.serve().catalogue.refresh()
    error = own.post(path, {**body, "model": "translated"}).json["error"]
    assert error["message"].startswith(f"{param}: ")
    assert error.get("param", param) == param
    assert len(own.rows(1)) == 1


def test_of_two_fields_of_one_name_the_last_is_what_is_checked_and_sent(
    own: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = CannedHost(own, monkeypatch, "chat")
    rest = b'"model": "canned", "messages": [{"role": "user", "content": "Hi"}]}'
    assert own.post(CHAT, b'{"n": 1, "n": -1, ' + rest).json["error"]["param"] == "n"
    assert upstream.asked == []
    own.post(CHAT, b'{"n": -1, "n": 1, ' + rest)
    assert upstream.asked[0].count(b'"n"') == 1
    assert json.loads(upstream.asked[0])["n"] == 1


def test_a_text_of_ten_megabytes_is_no_bad_input(own: Gateway) -> None:
    """Held to the model's window like any other: without a budget nobody here counts it."""
    response = own.post(CHAT, {"model": "echo", "max_tokens": 1, "messages": [{"role": "user", "content": LONG}]})
    assert response.status_code == 200
