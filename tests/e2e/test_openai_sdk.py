"""All that the openai SDK can ask of a model: of a host that speaks its format, and of one that speaks Messages."""

import base64
import json
from typing import Any

import openai
import pytest
from openai.lib.streaming.chat import ContentDoneEvent, FunctionToolCallArgumentsDoneEvent
from pydantic import BaseModel

from tests.e2e.sdks import Sdk
from tests.scripted_host.host import CHAT, MESSAGES, ScriptedHost
from tests.scripted_host.mind import THOUGHT

PIXEL = b"\x89PNG not much of one"
PDF = b"%PDF-1.4 not much of one"
ASKED: list[Any] = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Grüße, ☃!"}]
SAID = "You said: Grüße, ☃!"


class Weather(BaseModel):
    city: str
    degrees: int


def tool(name: str, **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], **more}
    return {"type": "function", "function": {"name": name, "description": "Tells.", "parameters": schema}}


def asking(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def test_text_whole_and_streamed(openai_sdk: Sdk, model: str) -> None:
    whole = openai_sdk.result(lambda client: client.chat.completions.create(model=model, messages=ASKED))
    assert whole.choices[0].message.content == SAID
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage.prompt_tokens == 30
    assert whole.usage.prompt_tokens_details.cached_tokens == 10
    events = openai_sdk.events(
        lambda client: client.chat.completions.create(
            model=model, messages=ASKED, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(event.choices[0].delta.content or "" for event in events if event.choices) == SAID
    assert {event.model for event in events} == {whole.model}
    assert events[-1].usage == whole.usage
    assert events[-1].choices == []


def test_a_stream_that_was_asked_for_no_usage_has_none(openai_sdk: Sdk, model: str) -> None:
    events = openai_sdk.events(lambda client: client.chat.completions.create(model=model, messages=ASKED, stream=True))
    assert all(event.choices for event in events)
    assert all(event.usage is None for event in events)


def test_a_stream_put_together_by_the_sdk(openai_sdk: Sdk, model: str) -> None:
    events, completion = openai_sdk.stream(
        lambda client: client.chat.completions.stream(model=model, messages=ASKED), "get_final_completion"
    )
    assert completion.choices[0].message.content == SAID
    assert [event.content for event in events if isinstance(event, ContentDoneEvent)] == [SAID]


def test_tools_called_in_parallel_and_answered(openai_sdk: Sdk, model: str) -> None:
    tools = [tool("weather"), tool("clock")]
    messages = asking("The weather and the time, both at once.")
    first = openai_sdk.result(
        lambda client: client.chat.completions.create(model=model, messages=messages, tools=tools)
    )
    assert first.choices[0].finish_reason == "tool_calls"
    calls = first.choices[0].message.tool_calls
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == [
        ("weather", {"city": "Paris"}),
        ("clock", {"city": "Rome"}),
    ]
    messages = [
        *messages,
        first.choices[0].message,
        *({"role": "tool", "tool_call_id": call.id, "content": f"{call.function.name} ok"} for call in calls),
    ]
    second = openai_sdk.result(
        lambda client: client.chat.completions.create(model=model, messages=messages, tools=tools)
    )
    assert second.choices[0].message.content == "The tools say: weather ok; clock ok."


def test_streamed_tool_calls_put_together_by_the_sdk(openai_sdk: Sdk, model: str) -> None:
    events, completion = openai_sdk.stream(
        lambda client: client.chat.completions.stream(
            model=model, messages=asking("Both at once."), tools=[tool("weather"), tool("clock")]
        ),
        "get_final_completion",
    )
    done = [event for event in events if isinstance(event, FunctionToolCallArgumentsDoneEvent)]
    assert [(event.index, event.name) for event in done] == [(0, "weather"), (1, "clock")]
    assert [call.function.name for call in completion.choices[0].message.tool_calls] == ["weather", "clock"]
    assert completion.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("none", []),
        ("required", ["weather"]),
        ({"type": "function", "function": {"name": "clock"}}, ["clock"]),
    ],
)
def test_a_choice_of_tools(openai_sdk: Sdk, model: str, choice: Any, called: list[str]) -> None:
    answer = openai_sdk.result(
        lambda client: client.chat.completions.create(
            model=model,
            messages=asking("Both."),
            tools=[tool("weather"), tool("clock")],
            tool_choice=choice,
            parallel_tool_calls=False,
        )
    )
    assert [call.function.name for call in answer.choices[0].message.tool_calls or ()] == called


def test_parsed_answers_and_parsed_calls(openai_sdk: Sdk, model: str) -> None:
    answer = openai_sdk.result(
        lambda client: client.chat.completions.parse(model=model, messages=ASKED, response_format=Weather)
    )
    assert answer.choices[0].message.parsed == Weather(city="Paris", degrees=20)
    called = openai_sdk.result(
        lambda client: client.chat.completions.parse(
            model=model, messages=ASKED, tools=[openai.pydantic_function_tool(Weather)]
        )
    )
    (call,) = called.choices[0].message.tool_calls
    assert call.function.parsed_arguments == Weather(city="Paris", degrees=20)


def test_a_streamed_parsed_answer(openai_sdk: Sdk, model: str) -> None:
    _events, completion = openai_sdk.stream(
        lambda client: client.chat.completions.stream(model=model, messages=ASKED, response_format=Weather),
        "get_final_completion",
    )
    assert completion.choices[0].message.parsed == Weather(city="Paris", degrees=20)


def test_images_and_files(openai_sdk: Sdk, model: str) -> None:
    content = [
        {"type": "text", "text": "What are these?"},
        {"type": "image_url", "image_url": {"url": data_url("image/png", PIXEL), "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://images.example/a.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": data_url("application/pdf", PDF)}},
    ]
    answer = openai_sdk.result(
        lambda client: client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}])
    )
    sizes = f"image/png of {len(PIXEL)} bytes, https://images.example/a.png, application/pdf of {len(PDF)} bytes"
    assert answer.choices[0].message.content == f"You sent {sizes}."


@pytest.mark.parametrize("streamed", [False, True])
def test_reasoning(openai_sdk: Sdk, model: str, streamed: bool) -> None:
    """There is no field for thoughts in the SDK's types: it shows what hosts add to them."""
    fields = {"model": model, "messages": ASKED, "reasoning_effort": "low", "max_completion_tokens": 3000}
    if streamed:
        events = openai_sdk.events(lambda client: client.chat.completions.create(**fields, stream=True))
        deltas = [event.choices[0].delta for event in events]
        assert "".join(delta.content or "" for delta in deltas) == SAID
        assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas).strip() == THOUGHT
    else:
        message = openai_sdk.result(lambda client: client.chat.completions.create(**fields)).choices[0].message
        assert message.content == SAID
        assert message.reasoning_content == THOUGHT


FIELDS: dict[str, Any] = {
    "seed": 7,
    "stop": ["\nEND", "STOP"],
    "temperature": 0.5,
    "top_p": 0.9,
    "frequency_penalty": 0.1,
    "presence_penalty": -0.1,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "top_logprobs": 2,
    "max_completion_tokens": 50,
    "metadata": {"team": "green"},
    "prediction": {"type": "content", "content": "You said"},
    "prompt_cache_key": "mine",
    "safety_identifier": "someone",
    "store": True,
    "service_tier": "auto",
    "user": "anna",
    "verbosity": "low",
}


def test_all_fields_go_on_as_they_are_to_a_host_of_the_format(openai_sdk: Sdk, scripted: ScriptedHost) -> None:
    raw = openai_sdk.result(
        lambda client: client.chat.completions.with_raw_response.create(model=CHAT, messages=ASKED, n=2, **FIELDS)
    )
    completion = raw.parse()
    sent = {name: value for name, value in scripted.asked[-1].items() if name in FIELDS}
    cap = {"max_completion_tokens", "max_tokens"}
    assert {name: value for name, value in sent.items() if name not in cap} == {
        name: value for name, value in FIELDS.items() if name not in cap
    }
    assert 50 in (scripted.asked[-1].get("max_tokens"), sent.get("max_completion_tokens"))
    assert "x-tollhouse-dropped" not in raw.headers
    assert [choice.index for choice in completion.choices] == [0, 1]
    assert completion.choices[1].logprobs.content[0].token == "You"
    assert completion.system_fingerprint == "fp_scripted"
    assert completion.service_tier == "default"


def test_choices_and_probabilities_are_streamed(openai_sdk: Sdk, scripted: ScriptedHost) -> None:
    events = openai_sdk.events(
        lambda client: client.chat.completions.create(
            model=CHAT, messages=ASKED, n=2, logprobs=True, stream=True, stream_options={"include_usage": True}
        )
    )
    for index in (0, 1):
        chosen = [event.choices[0] for event in events if event.choices and event.choices[0].index == index]
        assert "".join(choice.delta.content or "" for choice in chosen) == SAID
        assert any(choice.logprobs for choice in chosen)
    assert events[-1].usage.total_tokens > 30


def test_fields_that_a_host_of_messages_has_no_word_for_are_named(openai_sdk: Sdk, scripted: ScriptedHost) -> None:
    raw = openai_sdk.result(
        lambda client: client.chat.completions.with_raw_response.create(model=MESSAGES, messages=ASKED, **FIELDS)
    )
    dropped = set(raw.headers["x-tollhouse-dropped"].split(", "))
    carried = {"stop", "temperature", "top_p", "max_completion_tokens", "safety_identifier", "service_tier"}
    assert dropped == FIELDS.keys() - carried
    sent = scripted.asked[-1]
    assert sent["stop_sequences"] == ["\nEND", "STOP"]
    assert sent["metadata"] == {"user_id": "someone"}
    assert (sent["temperature"], sent["top_p"], sent["max_tokens"]) == (0.5, 0.9, 50)
    with pytest.raises(openai.BadRequestError) as refused:
        openai_sdk.result(lambda client: client.chat.completions.create(model=MESSAGES, messages=ASKED, n=2))
    assert refused.value.param == "n"


def test_fields_that_the_sdk_does_not_know_go_on(openai_sdk: Sdk, scripted: ScriptedHost) -> None:
    """The host is as strict as OpenAI's own: what it says of it comes back as it says it."""
    with pytest.raises(
        openai.BadRequestError, match="Unrecognized request argument supplied: from_tomorrow"
    ) as refused:
        openai_sdk.result(
            lambda client: client.chat.completions.create(
                model=CHAT, messages=ASKED, extra_body={"from_tomorrow": 1}, extra_query={"api-version": "2026-11-01"}
            )
        )
    assert refused.value.param == "from_tomorrow"


def test_raw_and_streaming_responses(openai_sdk: Sdk, model: str) -> None:
    raw = openai_sdk.result(
        lambda client: client.chat.completions.with_raw_response.create(model=model, messages=ASKED)
    )
    assert raw.http_response.status_code == 200
    assert raw.headers["x-tollhouse-provider"] == model
    assert raw.request_id.startswith("req_")
    assert raw.parse()._request_id == raw.request_id
    if openai_sdk.asynchronous:

        async def lines(client: Any) -> list[str]:
            create = client.chat.completions.with_streaming_response.create
            async with create(model=model, messages=ASKED, stream=True) as response:
                return [line async for line in response.iter_lines()]

        seen = openai_sdk.result(lines)
    else:

        def lines_now(client: Any) -> list[str]:
            create = client.chat.completions.with_streaming_response.create
            with create(model=model, messages=ASKED, stream=True) as response:
                return list(response.iter_lines())

        seen = openai_sdk.result(lines_now)
    assert [line for line in seen if line][-1] == "data: [DONE]"


def test_models(openai_sdk: Sdk, model: str) -> None:
    async def all_names(client: openai.AsyncOpenAI) -> list[str]:
        return [one.id async for one in client.models.list()]

    listed = openai_sdk.result(
        all_names if openai_sdk.asynchronous else lambda client: [one.id for one in client.models.list()]
    )
    assert model in listed
    found = openai_sdk.result(lambda client: client.models.retrieve(model))
    assert (found.id, found.object, found.owned_by) == (model, "model", model)
    with pytest.raises(openai.NotFoundError, match="scripted"):
        openai_sdk.result(lambda client: client.models.retrieve("scripted-chit"))
