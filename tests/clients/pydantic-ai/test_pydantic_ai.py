"""pydantic-ai stands for agent frameworks: typed output by tools, by schema and by prompt, loops of tools, and streams
of both, over each of the three formats.
"""

from collections.abc import AsyncIterator

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, ModelRetry, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from tests.clients.conftest import Upstream

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc000000301010018dd8d"
    "b00000000049454e44ae426082"
)
FORMATS = ("chat", "responses", "messages")


class Weather(BaseModel):
    city: str
    degrees: int
    windy: bool = False


@pytest.fixture(params=FORMATS)
def format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def model_of(format: str, upstream: Upstream) -> Model:
    if format == "messages":
        provider = AnthropicProvider(base_url=upstream.url, api_key=upstream.key)
        profile = ModelProfile(supports_json_schema_output=True)
        return AnthropicModel(upstream.model, provider=provider, profile=profile)
    kind = OpenAIChatModel if format == "chat" else OpenAIResponsesModel
    return kind(upstream.model, provider=OpenAIProvider(base_url=upstream.openai_url, api_key=upstream.key))


@pytest.fixture
def model(format: str, upstream: Upstream) -> Model:
    return model_of(format, upstream)


def test_text(model: Model) -> None:
    result = Agent(model, instructions="Be brief.").run_sync("Grüße, ☃!")
    assert result.output == "You said: Grüße, ☃!"
    assert result.usage.input_tokens == 30
    assert result.usage.output_tokens > 0
    assert result.usage.cache_read_tokens == 10


def test_text_of_the_local_model(format: str, local: Upstream) -> None:
    result = Agent(model_of(format, local), model_settings={"max_tokens": 12}).run_sync("Say hello.")
    assert result.output
    assert result.usage.output_tokens > 0


def test_a_conversation(model: Model) -> None:
    agent = Agent(model)
    first = agent.run_sync("one")
    second = agent.run_sync("two", message_history=first.all_messages())
    assert second.output == "You said: two"


def test_a_tool_loop(model: Model) -> None:
    agent = Agent(model)

    @agent.tool_plain
    def weather(city: str, days: int) -> str:
        return f"{city} is sunny for {days} days"

    @agent.tool_plain
    def clock(city: str) -> dict[str, str]:
        return {"city": city, "time": "noon"}

    result = agent.run_sync("What is the weather, and what time is it?")
    assert "Paris is sunny for 20 days" in result.output
    assert '"noon"' in result.output
    assert result.usage.tool_calls == 2


def test_parallel_calls(model: Model) -> None:
    agent = Agent(model)
    seen = []

    @agent.tool_plain
    def weather(city: str) -> str:
        seen.append(city)
        return f"{city} is sunny"

    result = agent.run_sync("The weather in both, at once.")
    assert sorted(seen) == ["Paris", "Rome"]
    assert result.output == "The tools say: Paris is sunny; Rome is sunny."


def test_a_tool_without_arguments_that_has_to_be_asked_again(model: Model) -> None:
    agent = Agent(model, output_type=ToolOutput(Weather))
    tries = []

    @agent.tool_plain
    def where_am_i() -> str:
        tries.append(1)
        return "Paris"

    @agent.output_validator
    def is_warm(weather: Weather) -> Weather:
        if weather.degrees < 22:
            raise ModelRetry("It is warmer than that.")
        return weather

    result = agent.run_sync("What is the weather here?", model_settings={})
    assert result.output.degrees == 22
    assert tries == [1]


@pytest.mark.parametrize("way", [ToolOutput, NativeOutput, PromptedOutput])
def test_structured_output(model: Model, way: type) -> None:
    agent = Agent(model, output_type=way(Weather), retries=2)
    assert agent.run_sync("What is the weather?").output == Weather(city="Paris", degrees=20, windy=True)


@pytest.mark.parametrize("way", [ToolOutput, NativeOutput])
def test_structured_output_after_a_tool(model: Model, way: type) -> None:
    agent = Agent(model, output_type=way(Weather))

    @agent.tool_plain
    def degrees(city: str) -> int:
        return 21

    result = agent.run_sync("What is the weather?")
    assert result.output.degrees == 21
    assert result.usage.tool_calls == 1


@pytest.mark.parametrize("kind", ["image/png", "application/pdf"])
def test_files(model: Model, kind: str) -> None:
    data = PIXEL if kind == "image/png" else b"%PDF-1.4 not much of one"
    result = Agent(model).run_sync(["What is this?", BinaryContent(data, media_type=kind)])
    assert result.output == f"You sent {kind} of {len(data)} bytes."


def test_a_tool_that_answers_with_an_image(model: Model) -> None:
    agent = Agent(model)

    @agent.tool_plain
    def look(direction: str) -> BinaryContent:
        return BinaryContent(PIXEL, media_type="image/png")

    result = agent.run_sync("What do you see?")
    assert f"image/png of {len(PIXEL)} bytes" in result.output


async def streamed(model: Model, **options: object) -> AsyncIterator[str]:
    async with Agent(model, **options).run_stream("Say it piece by piece, naïvely ☃.") as result:
        async for piece in result.stream_text(delta=True, debounce_by=None):
            yield piece
        assert result.usage.output_tokens > 0
        assert result.usage.input_tokens == 30


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_streamed_text(model: Model) -> None:
    pieces = [piece async for piece in streamed(model)]
    assert len(pieces) > 3
    assert "".join(pieces) == "You said: Say it piece by piece, naïvely ☃."


@pytest.mark.anyio
async def test_a_streamed_tool_loop(model: Model) -> None:
    agent = Agent(model)

    @agent.tool_plain
    def weather(city: str) -> str:
        return f"{city} is sunny"

    async with agent.run_stream("The weather in both, at once.") as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
    assert "".join(pieces) == "The tools say: Paris is sunny; Rome is sunny."


@pytest.mark.anyio
@pytest.mark.parametrize("way", [ToolOutput, NativeOutput])
async def test_streamed_structured_output(model: Model, way: type) -> None:
    async with Agent(model, output_type=way(Weather)).run_stream("What is the weather?") as result:
        seen = [weather async for weather in result.stream_output(debounce_by=None)]
    assert seen[-1] == Weather(city="Paris", degrees=20, windy=True)
