"""The official SDKs as people set them up, and what else a client may send over a real connection."""

import json
import socket

import openai as openai_errors
import pytest
from anthropic import Anthropic
from openai import OpenAI

from tests.running import RunningGateway

HELLO = [{"role": "user", "content": "one two"}]


def test_a_completion_reaches_the_sdk_whole_and_streamed(openai: OpenAI) -> None:
    whole = openai.completions.create(model="smollm2-135m", prompt="Say hello.", max_tokens=8, logprobs=1)
    assert whole.object == "text_completion"
    assert whole.choices[0].text
    assert whole.choices[0].finish_reason in ("stop", "length")
    assert whole.usage is not None
    assert whole.usage.completion_tokens > 0
    chunks = list(
        openai.completions.create(
            model="smollm2-135m", prompt="Say hello.", max_tokens=8, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices)
    assert chunks[-1].usage is not None


def test_tokens_are_counted_for_the_sdk_by_the_model_itself_or_estimated(anthropic: Anthropic) -> None:
    counted = anthropic.messages.with_raw_response.count_tokens(model="smollm2-135m", messages=HELLO, system="Be kind.")
    assert counted.parse().input_tokens > 5
    assert "x-tollhouse-estimated" not in counted.headers
    message = anthropic.messages.create(model="smollm2-135m", messages=HELLO, system="Be kind.", max_tokens=1)
    assert counted.parse().input_tokens == message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0)
    estimated = anthropic.messages.with_raw_response.count_tokens(model="echo", messages=HELLO)
    assert estimated.headers["x-tollhouse-estimated"] == "true"
    assert anthropic.beta.messages.count_tokens(model="echo", messages=HELLO).input_tokens > 0


def test_the_sdks_take_base_urls_as_people_write_them(running: RunningGateway) -> None:
    for base in (f"{running.url}/v1", f"{running.url}/v1/", f"{running.url}//v1//"):
        with OpenAI(base_url=base, api_key=running.key, default_query={"api-version": "1"}) as client:
            assert client.chat.completions.create(model="echo", messages=HELLO).choices[0].message.content == "one two"
    for base in (running.url, f"{running.url}/"):
        with Anthropic(base_url=base, auth_token=running.key, api_key=None) as client:
            assert client.beta.messages.create(model="echo", messages=HELLO, max_tokens=9).content
    with (
        OpenAI(base_url=running.url, api_key=running.key) as client,
        pytest.raises(openai_errors.NotFoundError, match="base URL"),
    ):
        client.chat.completions.create(model="echo", messages=HELLO)


def exchange(running: RunningGateway, head: str, body: bytes = b"", *, waits: bool = False) -> bytes:
    """What comes back on a connection of its own, the body being sent after the answer to its head where it waits."""
    lines = [*head.splitlines(), "Host: x", f"Authorization: Bearer {running.key}", f"Content-Length: {len(body)}"]
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        found = connection.recv(65_536) if waits else b""
        connection.sendall(body)
        while data := connection.recv(65_536):
            found += data
    return found


def test_a_body_that_waits_to_be_wanted_is_asked_for(running: RunningGateway) -> None:
    body = json.dumps({"model": "echo", "messages": HELLO}).encode()
    answer = exchange(running, "POST /v1/chat/completions HTTP/1.1\nExpect: 100-continue", body, waits=True)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_probes_over_a_real_connection(running: RunningGateway) -> None:
    head = exchange(running, "HEAD / HTTP/1.1")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert head.endswith(b"\r\n\r\n")
    assert exchange(running, "OPTIONS /v1/messages HTTP/1.1").startswith(b"HTTP/1.1 200 OK")
    assert exchange(running, "GET /v1/engines?x=1 HTTP/1.1").startswith(b"HTTP/1.1 404")
