"""openai-agents stands for agents written for OpenAI: loops of tools, handoffs and typed output, whole and streamed,
over Chat Completions and over Responses.
"""

import asyncio
from typing import Any

import pytest
from agents import (
    Agent,
    Model,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    RunResultStreaming,
    SQLiteSession,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from pydantic import BaseModel

from tests.clients.conftest import Upstream

KINDS = {"chat": OpenAIChatCompletionsModel, "responses": OpenAIResponsesModel}


class Weather(BaseModel):
    city: str
    degrees: int


@function_tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"{city} is sunny"


@function_tool
def clock(city: str, zone: str | None = None) -> str:
    """The time in a city."""
    return f"It is noon in {city}"


@pytest.fixture(autouse=True)
def untraced() -> None:
    set_tracing_disabled(True)


@pytest.fixture(params=KINDS)
def format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def model_of(format: str, upstream: Upstream) -> Model:
    client = AsyncOpenAI(base_url=upstream.openai_url, api_key=upstream.key, max_retries=0)
    return KINDS[format](upstream.model, openai_client=client)


@pytest.fixture
def model(format: str, upstream: Upstream) -> Model:
    return model_of(format, upstream)


def agent(model: Model, **options: Any) -> Agent:
    return Agent(name="Guide", instructions="Be brief.", model=model, **options)


def streamed(starting: Agent, text: str, **options: Any) -> tuple[RunResultStreaming, list[Any]]:
    """The result, once all its events have come, and these."""

    async def all_of_it() -> tuple[RunResultStreaming, list[Any]]:
        running = Runner.run_streamed(starting, text, **options)
        return running, [event async for event in running.stream_events()]

    return asyncio.run(all_of_it())


def text_of(events: list[Any]) -> str:
    raw = [event.data for event in events if event.type == "raw_response_event"]
    return "".join(event.delta for event in raw if event.type == "response.output_text.delta")


def test_text(model: Model) -> None:
    result = Runner.run_sync(agent(model), "Grüße, ☃!")
    assert result.final_output == "You said: Grüße, ☃!"
    assert result.context_wrapper.usage.input_tokens == 30
    assert result.context_wrapper.usage.input_tokens_details.cached_tokens == 10


def test_text_of_the_local_model(format: str, local: Upstream) -> None:
    result = Runner.run_sync(agent(model_of(format, local), model_settings=ModelSettings(max_tokens=12)), "Hello.")
    assert result.final_output


def test_streamed_text(model: Model) -> None:
    result, events = streamed(agent(model, model_settings=ModelSettings(include_usage=True)), "Grüße, ☃!")
    assert text_of(events) == result.final_output == "You said: Grüße, ☃!"
    assert result.context_wrapper.usage.output_tokens > 0


def test_a_tool_loop(model: Model) -> None:
    result = Runner.run_sync(agent(model, tools=[weather, clock]), "The weather, and the time?")
    assert result.final_output == "The tools say: Paris is sunny; It is noon in Rome."
    assert len(result.raw_responses) == 3


def test_a_streamed_tool_loop_with_parallel_calls(model: Model) -> None:
    result, events = streamed(agent(model, tools=[weather]), "The weather in both, at once.")
    assert result.final_output == "The tools say: Paris is sunny; Rome is sunny."
    assert text_of(events) == result.final_output
    names = [event.name for event in events if event.type == "run_item_stream_event"]
    assert names.count("tool_called") == names.count("tool_output") == 2


def test_a_required_tool_and_none_in_parallel(model: Model) -> None:
    settings = ModelSettings(tool_choice="weather", parallel_tool_calls=False)
    result = Runner.run_sync(agent(model, tools=[weather], model_settings=settings), "The weather, at once.")
    assert result.final_output == "The tools say: Paris is sunny."


def test_typed_output_after_a_tool(model: Model) -> None:
    result = Runner.run_sync(agent(model, tools=[weather], output_type=Weather), "The weather?")
    assert result.final_output == Weather(city="Rome", degrees=21)


def test_streamed_typed_output(model: Model) -> None:
    result, _events = streamed(agent(model, output_type=Weather), "The weather?")
    assert result.final_output == Weather(city="Paris", degrees=20)


def test_a_handoff(model: Model) -> None:
    expert = Agent(name="Expert", instructions="You know the weather.", model=model, tools=[weather])
    result = Runner.run_sync(agent(model, handoffs=[expert]), "The weather?")
    assert result.last_agent.name == "Expert"
    assert "sunny" in result.final_output


def test_a_conversation_that_the_client_keeps(model: Model) -> None:
    session = SQLiteSession("one conversation")
    Runner.run_sync(agent(model, tools=[weather]), "The weather?", session=session)
    result = Runner.run_sync(agent(model), "And now?", session=session)
    assert result.final_output == "You said: And now?"


def test_a_model_that_reasons(model: Model, format: str) -> None:
    from openai.types.shared import Reasoning

    settings = ModelSettings(reasoning=Reasoning(effort="low", summary="auto"))
    result = Runner.run_sync(agent(model, tools=[weather], model_settings=settings), "The weather?")
    assert result.final_output == "The tools say: Paris is sunny."


def test_a_conversation_that_the_gateway_keeps(upstream: Upstream) -> None:
    model = model_of("responses", upstream)
    first = Runner.run_sync(agent(model, tools=[weather]), "The weather?")
    second = Runner.run_sync(agent(model), "And now?", previous_response_id=first.last_response_id)
    assert second.final_output == "You said: And now?"
    assert "sunny" in str(upstream.host.asked[-1]["messages"]), "what was said before is sent to the host"
