"""All that the anthropic SDK can ask of a model: of a host that speaks its format, and of one that speaks chat."""

import base64
from collections.abc import Callable
from typing import Any

import anthropic
import pytest
from anthropic import beta_async_tool, beta_tool
from pydantic import BaseModel

from tests.e2e.sdks import Sdk
from tests.scripted_host.host import CHAT, MESSAGES, ScriptedHost
from tests.scripted_host.mind import THOUGHT

PIXEL = b"\x89PNG not much of one"
PDF = b"%PDF-1.4 not much of one"
ASKED: list[Any] = [{"role": "user", "content": "Grüße, ☃!"}]
SAID = "You said: Grüße, ☃!"
BASE: dict[str, Any] = {"system": "Be brief.", "max_tokens": 500}


class Weather(BaseModel):
    city: str
    degrees: int


def tool(name: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"name": name, "description": "Tells.", "input_schema": schema}


def asking(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def calls_of(message: anthropic.types.Message) -> list[tuple[str, Any]]:
    return [(block.name, block.input) for block in message.content if block.type == "tool_use"]


def test_text_whole_and_streamed(anthropic_sdk: Sdk, model: str) -> None:
    whole = anthropic_sdk.result(lambda client: client.messages.create(model=model, messages=ASKED, **BASE))
    assert [block.text for block in whole.content] == [SAID]
    assert whole.stop_reason == "end_turn"
    assert (whole.usage.input_tokens, whole.usage.cache_read_input_tokens) == (20, 10)
    events, final = anthropic_sdk.stream(
        lambda client: client.messages.stream(model=model, messages=ASKED, **BASE), "get_final_message"
    )
    assert [block.text for block in final.content] == [SAID]
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert final.usage.cache_read_input_tokens == 10
    raw = anthropic_sdk.events(lambda client: client.messages.create(model=model, messages=ASKED, stream=True, **BASE))
    kinds = [event.type for event in raw]
    assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 1
    assert [event.text for event in events if event.type == "text"]


def test_tools_called_in_parallel_and_answered(anthropic_sdk: Sdk, model: str) -> None:
    tools = [tool("weather"), tool("clock")]
    messages = asking("The weather and the time, both at once.")
    first = anthropic_sdk.result(
        lambda client: client.messages.create(model=model, messages=messages, tools=tools, **BASE)
    )
    assert first.stop_reason == "tool_use"
    assert calls_of(first) == [("weather", {"city": "Paris"}), ("clock", {"city": "Rome"})]
    uses = [block for block in first.content if block.type == "tool_use"]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": encoded(PIXEL)}}
    results = [
        {"type": "tool_result", "tool_use_id": uses[0].id, "content": "sunny"},
        {"type": "tool_result", "tool_use_id": uses[1].id, "content": [{"type": "text", "text": "noon"}, image]},
    ]
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    second = anthropic_sdk.result(
        lambda client: client.messages.create(model=model, messages=messages, tools=tools, **BASE)
    )
    (said,) = [block.text for block in second.content]
    assert said.startswith("The tools say: sunny; noon")
    assert f"image/png of {len(PIXEL)} bytes" in said


def test_streamed_tool_calls(anthropic_sdk: Sdk, model: str) -> None:
    events, final = anthropic_sdk.stream(
        lambda client: client.messages.stream(
            model=model, messages=asking("Both at once."), tools=[tool("weather"), tool("clock")], **BASE
        ),
        "get_final_message",
    )
    assert calls_of(final) == [("weather", {"city": "Paris"}), ("clock", {"city": "Rome"})]
    assert final.stop_reason == "tool_use"
    assert any(event.type == "input_json" for event in events)


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ({"type": "none"}, []),
        ({"type": "any"}, ["weather"]),
        ({"type": "tool", "name": "clock", "disable_parallel_tool_use": True}, ["clock"]),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_choice_of_tools(
    anthropic_sdk: Sdk, model: str, choice: dict[str, Any], called: list[str], streamed: bool
) -> None:
    fields = {**BASE, "model": model, "messages": asking("Both."), "tool_choice": choice}
    fields["tools"] = [tool("weather"), tool("clock")]
    if streamed:
        _events, answer = anthropic_sdk.stream(lambda client: client.messages.stream(**fields), "get_final_message")
    else:
        answer = anthropic_sdk.result(lambda client: client.messages.create(**fields))
    assert [name for name, _input in calls_of(answer)] == called
    assert answer.stop_reason == ("tool_use" if called else "end_turn")


def test_the_tool_runner(anthropic_sdk: Sdk, model: str) -> None:
    def weather(city: str) -> str:
        """The weather in a city."""
        return f"{city} is sunny"

    async def weather_later(city: str) -> str:
        """The weather in a city."""
        return f"{city} is sunny"

    kept = beta_async_tool(weather_later) if anthropic_sdk.asynchronous else beta_tool(weather)
    final = anthropic_sdk.result(
        lambda client: client.beta.messages.tool_runner(
            model=model, messages=asking("The weather?"), tools=[kept], **BASE
        ).until_done()
    )
    assert [block.text for block in final.content] == ["The tools say: Paris is sunny."]


def test_parsed_answers_whole_and_streamed(anthropic_sdk: Sdk, model: str) -> None:
    answer = anthropic_sdk.result(
        lambda client: client.messages.parse(model=model, messages=ASKED, output_format=Weather, **BASE)
    )
    assert answer.parsed_output == Weather(city="Paris", degrees=20)
    _events, final = anthropic_sdk.stream(
        lambda client: client.messages.stream(model=model, messages=ASKED, output_format=Weather, **BASE),
        "get_final_message",
    )
    assert final.parsed_output == Weather(city="Paris", degrees=20)


def test_images_and_documents(anthropic_sdk: Sdk, model: str) -> None:
    content = [
        {"type": "text", "text": "What are these?"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": encoded(PIXEL)}},
        {"type": "image", "source": {"type": "url", "url": "https://images.example/a.png"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": encoded(PDF)}},
    ]
    answer = anthropic_sdk.result(
        lambda client: client.messages.create(model=model, messages=[{"role": "user", "content": content}], **BASE)
    )
    sizes = f"image/png of {len(PIXEL)} bytes, https://images.example/a.png, application/pdf of {len(PDF)} bytes"
    assert answer.content[0].text == f"You sent {sizes}."


@pytest.mark.parametrize(
    "thinking",
    [
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    ],
    ids=["adaptive", "enabled"],
)
def test_thinking_survives_the_way_through_the_client(
    anthropic_sdk: Sdk, model: str, scripted: ScriptedHost, thinking: dict[str, Any]
) -> None:
    fields = {"model": model, "max_tokens": 3000, **thinking, "tools": [tool("weather")]}
    messages = asking("The weather?")
    _events, first = anthropic_sdk.stream(
        lambda client: client.messages.stream(messages=messages, **fields), "get_final_message"
    )
    assert [block.type for block in first.content] == ["thinking", "tool_use"]
    assert first.content[0].thinking.strip() == THOUGHT
    assert first.content[0].signature
    result = {"type": "tool_result", "tool_use_id": first.content[1].id, "content": "sunny"}
    messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = anthropic_sdk.result(lambda client: client.messages.create(messages=messages, **fields))
    assert second.content[-1].text == "The tools say: sunny."
    assert THOUGHT in str(scripted.asked[-1]["messages"])


FIELDS: dict[str, Any] = {
    "stop_sequences": ["\nEND", "STOP"],
    "metadata": {"user_id": "someone"},
    "service_tier": "standard_only",
    "cache_control": {"type": "ephemeral"},
}
SAMPLING = {"temperature": 0.5, "top_k": 5}
"""The newest SDK has no arguments for these, and older ones have."""


def test_all_fields_go_on_as_they_are_to_a_host_of_the_format(anthropic_sdk: Sdk, scripted: ScriptedHost) -> None:
    raw = anthropic_sdk.result(
        lambda client: client.messages.with_raw_response.create(
            model=MESSAGES, messages=ASKED, extra_body=SAMPLING, **BASE, **FIELDS
        )
    )
    sent = scripted.asked[-1]
    given = {**BASE, **FIELDS, **SAMPLING, "messages": ASKED, "model": MESSAGES}
    assert {name: value for name, value in sent.items() if name != "stream"} == given
    assert "x-tollhouse-dropped" not in raw.headers


def test_fields_that_a_chat_host_has_no_word_for_are_named(anthropic_sdk: Sdk, scripted: ScriptedHost) -> None:
    raw = anthropic_sdk.result(
        lambda client: client.messages.with_raw_response.create(
            model=CHAT, messages=ASKED, extra_body=SAMPLING, **BASE, **{**FIELDS, "cache_control": None}
        )
    )
    assert raw.headers["x-tollhouse-dropped"] == "top_k"
    sent = scripted.asked[-1]
    assert (sent["stop"], sent["user"], sent["temperature"]) == (["\nEND", "STOP"], "someone", 0.5)
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]


def test_betas(anthropic_sdk: Sdk, model: str) -> None:
    """These are called with a query string and a header of their own."""
    answer = anthropic_sdk.result(
        lambda client: client.beta.messages.create(
            model=model, messages=ASKED, betas=["context-1m-2025-08-07", "files-api-2025-04-14"], **BASE
        )
    )
    assert answer.content[0].text == SAID


def test_raw_and_streaming_responses(anthropic_sdk: Sdk, model: str) -> None:
    raw = anthropic_sdk.result(
        lambda client: client.messages.with_raw_response.create(model=model, messages=ASKED, **BASE)
    )
    assert raw.status_code == 200
    assert raw.headers["x-tollhouse-provider"] == model
    assert raw.request_id.startswith("req_")
    if anthropic_sdk.asynchronous:

        async def lines(client: Any) -> list[str]:
            create = client.messages.with_streaming_response.create
            async with create(model=model, messages=ASKED, stream=True, **BASE) as response:
                return [line async for line in response.iter_lines()]

        seen = anthropic_sdk.result(lines)
    else:

        def lines_now(client: Any) -> list[str]:
            create = client.messages.with_streaming_response.create
            with create(model=model, messages=ASKED, stream=True, **BASE) as response:
                return list(response.iter_lines())

        seen = anthropic_sdk.result(lines_now)
    assert '"type":"message_stop"' in [line for line in seen if line][-1]


def test_models(anthropic_sdk: Sdk, model: str) -> None:
    async def all_names(client: anthropic.AsyncAnthropic) -> list[str]:
        return [one.id async for one in client.models.list()]

    names: Callable[[Any], Any] = (
        all_names if anthropic_sdk.asynchronous else lambda client: [one.id for one in client.models.list()]
    )
    assert model in anthropic_sdk.result(names)
    found = anthropic_sdk.result(lambda client: client.models.retrieve(model))
    assert (found.id, found.type) == (model, "model")
    with pytest.raises(anthropic.NotFoundError, match="scripted"):
        anthropic_sdk.result(lambda client: client.models.retrieve("scripted-chit"))
