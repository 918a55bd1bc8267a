"""Each vendor's SDK against a model of the other's, whole and streamed: the answers are recorded ones."""

import json
import time
from collections.abc import Iterator

import pytest
from anthropic import Anthropic
from anthropic import BadRequestError as AnthropicBadRequest
from openai import BadRequestError, OpenAI

from tests.running import RunningGateway
from tests.transcript_host import TranscriptHost

HELLO = [{"role": "user", "content": "What is the weather?"}]
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}


@pytest.fixture(scope="module")
def chat_host(running: RunningGateway) -> Iterator[TranscriptHost]:
    """A host that speaks Chat Completions alone; its model is "other-chat"."""
    yield from _host(running, "other-chat", "openai", "/v1")


@pytest.fixture(scope="module")
def messages_host(running: RunningGateway) -> Iterator[TranscriptHost]:
    """A host that speaks Messages alone; its model is "other-messages"."""
    yield from _host(running, "other-messages", "anthropic", "")


def _host(running: RunningGateway, name: str, format: str, path: str) -> Iterator[TranscriptHost]:
    host = TranscriptHost()
    running.command("providers", "add", name, "--format", format, "--base-url", host.url + path, "--allow-private")
    running.command(
        "models", "add", name, "--provider", name, "--input-price", "1", "--output-price", "2", "--max-output", "900"
    )
    time.sleep(1.2)  # it is effective in all processes within a second
    yield host
    host.close()


def test_anthropic_gets_a_whole_answer_of_a_chat_model(anthropic: Anthropic, chat_host: TranscriptHost) -> None:
    chat_host.says("chat-tool-call.json")
    message = anthropic.messages.create(
        model="other-chat",
        max_tokens=100,
        system="Be brief.",
        messages=HELLO,
        tools=[{"name": "get_weather", "description": "The weather.", "input_schema": WEATHER}],
    )
    assert message.type == "message"
    assert message.model == "other-chat"
    assert message.stop_reason == "tool_use"
    assert [block.type for block in message.content][-1] == "tool_use"
    assert message.usage.input_tokens > 0
    asked = chat_host.asked[-1]
    assert [one["role"] for one in asked["messages"]] == ["system", "user"]
    assert asked["tools"][0]["function"]["parameters"] == WEATHER
    assert asked["max_tokens"] == 100
    assert "max_completion_tokens" not in asked


def test_anthropic_gets_a_streamed_answer_of_a_chat_model(anthropic: Anthropic, chat_host: TranscriptHost) -> None:
    chat_host.says("chat-openai-tool-calls.sse")
    with anthropic.messages.stream(model="other-chat", max_tokens=100, messages=HELLO) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert final.stop_reason == "tool_use"
    assert final.usage.output_tokens > 0
    assert chat_host.asked[-1]["stream_options"] == {"include_usage": True}


def test_openai_gets_a_whole_answer_of_a_messages_model(openai: OpenAI, messages_host: TranscriptHost) -> None:
    messages_host.says("messages-whole.json")
    raw = openai.chat.completions.with_raw_response.create(
        model="other-messages", messages=[{"role": "system", "content": "Be brief."}, *HELLO], seed=7
    )
    completion = raw.parse()
    assert completion.object == "chat.completion"
    assert completion.model == "other-messages"
    assert completion.choices[0].finish_reason in ("stop", "tool_calls", "length")
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    assert raw.headers["x-tollhouse-dropped"] == "seed"
    assert raw.headers["x-tollhouse-output-cap"] == "900"
    asked = messages_host.asked[-1]
    assert asked["max_tokens"] == 900, "what the catalogue says, for the caller said nothing"
    assert "seed" not in asked
    assert [one["role"] for one in asked["messages"]] == ["user"]


def test_openai_gets_a_streamed_answer_of_a_messages_model(openai: OpenAI, messages_host: TranscriptHost) -> None:
    messages_host.says("messages-thinking-and-tool.sse")
    stream = openai.chat.completions.create(
        model="other-messages", messages=HELLO, max_tokens=50, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert chunks[0].object == "chat.completion.chunk"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "tool_calls"
    assert chunks[-1].usage is not None
    arguments = "".join(
        call.function.arguments or ""
        for chunk in chunks
        if chunk.choices
        for call in chunk.choices[0].delta.tool_calls or ()
        if call.function
    )
    assert isinstance(json.loads(arguments), dict)


def test_both_are_booked_at_the_hosts_own_counts(
    running: RunningGateway, openai: OpenAI, messages_host: TranscriptHost
) -> None:
    messages_host.says("messages-whole.json")
    before = running.usage("other-messages", 0)
    completion = openai.chat.completions.create(model="other-messages", messages=HELLO)
    after = running.usage("other-messages", int(before.get("requests", 0)) + 1)
    assert completion.usage is not None
    assert int(after["output_tokens"]) - int(before.get("output_tokens", 0)) == completion.usage.completion_tokens


def test_strict_calls_are_refused_rather_than_changed(openai: OpenAI, messages_host: TranscriptHost) -> None:
    asked = len(messages_host.asked)
    with pytest.raises(BadRequestError) as refused:
        openai.chat.completions.create(
            model="other-messages", messages=HELLO, seed=7, extra_headers={"X-Tollhouse-Strict": "true"}
        )
    assert refused.value.param == "seed"
    assert len(messages_host.asked) == asked


def test_what_would_mean_something_else_is_refused_in_the_callers_shape(
    anthropic: Anthropic, chat_host: TranscriptHost
) -> None:
    with pytest.raises(AnthropicBadRequest) as refused:
        anthropic.messages.create(
            model="other-chat",
            max_tokens=10,
            messages=HELLO,
            extra_body={"mcp_servers": [{"type": "url", "name": "a", "url": "https://a.example"}]},
        )
    assert refused.value.body["type"] == "error"
    assert "mcp_servers" in refused.value.message
