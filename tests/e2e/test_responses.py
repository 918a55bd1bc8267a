"""Responses and conversations with the official SDK, for models of any host: echo, the local model, recorded ones."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError, OpenAI
from openai.types.conversations import Conversation
from openai.types.responses import Response, ResponseCompletedEvent
from pydantic import BaseModel

from tests.e2e.test_hang_ups import row_of
from tests.running import RunningGateway
from tests.transcript_host import TranscriptHost

LOCAL = "smollm2-135m"
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}


class City(BaseModel):
    name: Literal["Paris", "Rome"]


@pytest.fixture(scope="module")
def hosts(running: RunningGateway) -> Iterator[dict[str, TranscriptHost]]:
    """Hosts that speak one format each; the model "r-messages" is of the one that speaks Messages."""
    found = {}
    for name, format, path in (
        ("r-chat", "openai", "/v1"),
        ("r-messages", "anthropic", ""),
        ("r-native", "groq", ""),
    ):
        found[name] = host = TranscriptHost()
        running.command("providers", "add", name, "--format", format, "--base-url", host.url + path, "--allow-private")
        running.command(
            *("models", "add", name, "--provider", name, "--max-output", "900"),
            *("--input-price", "1", "--output-price", "2"),
        )
    time.sleep(1.2)  # it is effective in all processes within a second
    yield found
    for host in found.values():
        host.close()


def streamed(client: OpenAI, **fields: Any) -> tuple[list[Any], Response]:
    """The events, and the response that the last one tells; their order is what the format says."""
    events = list(client.responses.create(**fields, stream=True))
    numbers = [event.sequence_number for event in events]
    assert numbers == sorted(set(numbers)), "numbers increase"
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    last = events[-1]
    assert last.type in ("response.completed", "response.incomplete")
    assert {event.response.id for event in events if hasattr(event, "response")} == {last.response.id}
    assert not [event for event in events[:-1] if isinstance(event, ResponseCompletedEvent)]
    return events, last.response


def test_a_response_is_made_shown_and_deleted(openai: OpenAI) -> None:
    made = openai.responses.create(model="echo", input="hello big world", metadata={"a": "b"})
    assert made.output_text == "hello big world"
    assert (made.status, made.metadata) == ("completed", {"a": "b"})
    assert openai.responses.retrieve(made.id) == made
    openai.responses.delete(made.id)
    with pytest.raises(NotFoundError):
        openai.responses.retrieve(made.id)


def test_a_stream_says_the_same_as_its_last_event_and_is_there_at_once(running: RunningGateway) -> None:
    openai = running.openai()
    for _ in range(5):
        with openai.responses.stream(model="echo", input="one two three") as stream:
            for event in stream:
                if event.type == "response.completed":
                    # A process of its own choice answers, and it must know.
                    assert openai.responses.retrieve(event.response.id).output_text == "one two three"
            assert stream.get_final_response().output_text == "one two three"
    events, response = streamed(openai, model="echo", input="one two three")
    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert deltas == response.output_text == "one two three"


@pytest.mark.parametrize("stream", [False, True])
def test_the_local_model_goes_on_from_an_earlier_response(openai: OpenAI, stream: bool) -> None:
    first = openai.responses.create(model=LOCAL, input="My name is Ann.", max_output_tokens=20)
    assert first.usage
    asked: dict[str, Any] = {"model": LOCAL, "input": "Say my name.", "max_output_tokens": 20}
    asked["previous_response_id"] = first.id
    second = streamed(openai, **asked)[1] if stream else openai.responses.create(**asked)
    assert second.previous_response_id == first.id
    assert second.output_text
    assert second.usage
    assert second.usage.input_tokens > first.usage.input_tokens
    listed = list(openai.responses.input_items.list(second.id, order="asc", limit=1))
    assert [item.type for item in listed] == ["message"] * 3
    assert openai.responses.retrieve(second.id) == second


def test_the_local_model_answers_in_a_structure(openai: OpenAI) -> None:
    parsed = openai.responses.parse(model=LOCAL, input="Name a city as JSON.", text_format=City, max_output_tokens=60)
    assert isinstance(parsed.output_parsed, City)


def test_a_response_that_was_cut_is_incomplete(openai: OpenAI) -> None:
    cut = openai.responses.create(model="echo", input="one two three", max_output_tokens=1)
    assert cut.status == "incomplete"
    assert cut.incomplete_details
    assert cut.incomplete_details.reason == "max_output_tokens"
    _, cut = streamed(openai, model="echo", input="one two three", max_output_tokens=1)
    assert cut.status == "incomplete"


TOOL_CALLS = {
    "r-chat": ("chat-tool-call.json", "chat-openai-tool-calls.sse"),
    "r-messages": ("messages-whole.json", "messages-thinking-and-tool.sse"),
    "r-native": ("responses-text.json", "responses-openai-reasoning-tool-and-cached-prompt.sse"),
}


@pytest.mark.parametrize("model", TOOL_CALLS)
def test_a_tool_is_called_and_answered_by_the_id_of_what_went_before(
    openai: OpenAI, hosts: dict[str, TranscriptHost], model: str
) -> None:
    host = hosts[model]
    for name in TOOL_CALLS[model]:
        host.says(name)
    _, first = streamed(openai, model=model, input="The weather?", tools=[WEATHER])
    calls = [item for item in first.output if item.type == "function_call"]
    assert calls
    results: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"} for call in calls]
    second = openai.responses.create(model=model, input=results, previous_response_id=first.id, tools=[WEATHER])
    assert second.status == "completed"
    asked = json.dumps(host.asked[-1])
    assert "resp_" not in asked
    assert all(asked.count(call.call_id) == 2 for call in calls), "the call and its result"
    assert len(list(openai.responses.input_items.list(second.id))) == 1 + len(first.output) + len(calls)
    if model == "r-native":
        assert host.asked[-1]["store"] is False


@pytest.mark.parametrize("model", TOOL_CALLS)
def test_whole_answers_of_any_host_are_kept(openai: OpenAI, hosts: dict[str, TranscriptHost], model: str) -> None:
    hosts[model].says(
        {"r-chat": "chat-text.json", "r-messages": "messages-text.json"}.get(model, "responses-text.json")
    )
    made = openai.responses.create(model=model, input="Hello")
    assert made.output_text
    assert openai.responses.retrieve(made.id) == made


def test_a_conversation_goes_on(openai: OpenAI) -> None:
    conversation = openai.conversations.create(
        items=[{"role": "user", "content": "Remember: blue."}], metadata={"topic": "colours"}
    )
    assert isinstance(conversation, Conversation)
    first = openai.responses.create(model="echo", input="one", conversation=conversation.id)
    assert first.conversation
    assert first.conversation.id == conversation.id
    streamed(openai, model="echo", input="two", conversation={"id": conversation.id})
    items = list(openai.conversations.items.list(conversation.id, order="asc", limit=2))
    assert [item.role for item in items if item.type == "message"] == ["user"] + ["user", "assistant"] * 2
    added = openai.conversations.items.create(conversation.id, items=[{"role": "user", "content": "three"}])
    one = openai.conversations.items.retrieve(added.data[0].id, conversation_id=conversation.id)
    assert one == added.data[0]
    assert openai.conversations.items.delete(one.id, conversation_id=conversation.id).id == conversation.id
    assert openai.conversations.update(conversation.id, metadata={"topic": "numbers"}).metadata == {"topic": "numbers"}
    assert openai.conversations.delete(conversation.id).deleted
    with pytest.raises(NotFoundError):
        openai.conversations.retrieve(conversation.id)


def test_the_asynchronous_client_does_all_of_it(running: RunningGateway) -> None:
    async def run() -> None:
        async with AsyncOpenAI(base_url=f"{running.url}/v1", api_key=running.key, max_retries=0) as client:
            first = await client.responses.create(model="echo", input="one")
            async with client.responses.stream(model="echo", input="two", previous_response_id=first.id) as stream:
                kinds = [event.type async for event in stream]
                second = await stream.get_final_response()
            assert kinds[0] == "response.created"
            assert kinds[-1] == "response.completed"
            assert await client.responses.retrieve(second.id)
            listed = [item async for item in client.responses.input_items.list(second.id, limit=1)]
            assert len(listed) == 3
            conversation = await client.conversations.create()
            await client.responses.create(model="echo", input="three", conversation=conversation.id)
            assert len([item async for item in client.conversations.items.list(conversation.id)]) == 2
            await client.responses.delete(second.id)
            with pytest.raises(NotFoundError):
                await client.responses.retrieve(second.id)

    asyncio.run(run())


def test_what_went_before_is_named_when_it_is_not_there(openai: OpenAI) -> None:
    with pytest.raises(NotFoundError) as unknown:
        openai.responses.create(model="echo", input="x", previous_response_id="resp_unknown")
    assert (unknown.value.param, unknown.value.code) == ("previous_response_id", "previous_response_not_found")
    with pytest.raises(NotFoundError) as unknown:
        openai.responses.create(model="echo", input="x", conversation="conv_unknown")
    assert unknown.value.param == "conversation"
    with pytest.raises(BadRequestError) as refused:
        openai.responses.create(model="echo", input="x", background=True, store=False)
    assert refused.value.param == "store"


def test_a_stream_that_its_client_leaves_is_booked_and_not_kept(running: RunningGateway) -> None:
    running.command("providers", "add", "chatty", "--format", "echo", "--base-url", "echo:?words=60000&chunk_ms=5")
    running.command(
        *("models", "add", "chatty", "--provider", "chatty", "--upstream-model", "echo"),
        *("--input-price", "1", "--output-price", "2"),
    )
    time.sleep(1.2)
    key = running.json("keys", "create", "--name", "leaves")
    with running.openai(key["key"]).responses.create(model="chatty", input="x", stream=True) as stream:
        created = next(iter(stream))
        assert created.type == "response.created"
        for _ in range(20):
            next(iter(stream))
    row = row_of(running, key["id"])
    assert (row["outcome"], row["format"]) == ("client_gone", "responses")
    assert row["cost"] > 0
    with pytest.raises(NotFoundError):
        running.openai(key["key"]).responses.retrieve(created.response.id)
