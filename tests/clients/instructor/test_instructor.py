"""instructor stands for clients that patch the official SDKs to get typed answers, in each way that there is to ask for
them, and that ask again when an answer is not valid. It runs with older SDKs than the newest.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import instructor
import pytest
from anthropic import Anthropic, AsyncAnthropic
from instructor import Mode
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel, field_validator

from tests.clients.conftest import Upstream

OPENAI = (Mode.TOOLS, Mode.TOOLS_STRICT, Mode.JSON, Mode.JSON_SCHEMA, Mode.MD_JSON, Mode.RESPONSES_TOOLS)
ANTHROPIC = (Mode.ANTHROPIC_TOOLS, Mode.ANTHROPIC_JSON)
ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the weather in Paris?"}]
PARIS = {"city": "Paris", "degrees": 20}


class Weather(BaseModel):
    city: str
    degrees: int


class Warm(Weather):
    @field_validator("degrees")
    @classmethod
    def is_warm(cls, degrees: int) -> int:
        if degrees < 21:
            raise ValueError("it is warmer than that")
        return degrees


@pytest.fixture(params=[*OPENAI, *ANTHROPIC], ids=lambda mode: mode.name.lower())
def mode(request: pytest.FixtureRequest) -> Mode:
    return request.param


def patched(mode: Mode, upstream: Upstream, *, asynchronous: bool = False) -> Any:
    if mode in ANTHROPIC:
        kind: Callable[..., Any] = AsyncAnthropic if asynchronous else Anthropic
        return instructor.from_anthropic(kind(base_url=upstream.url, api_key=upstream.key, max_retries=0), mode=mode)
    kind = AsyncOpenAI if asynchronous else OpenAI
    return instructor.from_openai(kind(base_url=upstream.openai_url, api_key=upstream.key, max_retries=0), mode=mode)


def options(mode: Mode, upstream: Upstream) -> dict[str, Any]:
    cap = {"max_tokens": 500} if mode in ANTHROPIC else {}
    return {"model": upstream.model, "messages": ASKED, **cap}


def test_a_typed_answer(mode: Mode, upstream: Upstream) -> None:
    client = patched(mode, upstream)
    answer = client.create(response_model=Weather, **options(mode, upstream))
    assert answer.model_dump() == PARIS


def test_a_typed_answer_of_the_asynchronous_client(mode: Mode, upstream: Upstream) -> None:
    async def ask() -> Weather:
        client = patched(mode, upstream, asynchronous=True)
        return await client.create(response_model=Weather, **options(mode, upstream))

    assert asyncio.run(ask()).model_dump() == PARIS


def test_an_answer_that_is_not_valid_is_asked_for_again(mode: Mode, upstream: Upstream) -> None:
    client = patched(mode, upstream)
    asked = len(upstream.host.asked)
    answer = client.create(response_model=Warm, max_retries=2, **options(mode, upstream))
    assert answer.degrees == 21
    assert len(upstream.host.asked) == asked + 2


def test_the_completion_beside_the_answer(mode: Mode, upstream: Upstream) -> None:
    client = patched(mode, upstream)
    answer, completion = client.create_with_completion(response_model=Weather, **options(mode, upstream))
    assert answer.city == "Paris"
    assert completion.usage.output_tokens if hasattr(completion.usage, "output_tokens") else completion.usage


def test_an_answer_that_grows(mode: Mode, upstream: Upstream) -> None:
    client = patched(mode, upstream)
    seen = list(client.create_partial(response_model=Weather, **options(mode, upstream)))
    assert seen[-1].model_dump() == PARIS
    assert len(seen) > 1


def test_several_answers(mode: Mode, upstream: Upstream) -> None:
    client = patched(mode, upstream)
    seen = list(client.create_iterable(response_model=Weather, **options(mode, upstream)))
    assert [weather.degrees for weather in seen] == [20, 21]


def test_parallel_calls(upstream: Upstream) -> None:
    client = patched(Mode.PARALLEL_TOOLS, upstream)
    asked = [{"role": "user", "content": "The weather in both, at once."}]
    answers = list(client.create(response_model=Iterable[Weather], model=upstream.model, messages=asked))
    assert [answer.city for answer in answers] == ["Paris", "Rome"]


def test_thinking_before_the_answer(upstream: Upstream) -> None:
    client = patched(Mode.ANTHROPIC_TOOLS, upstream)
    answer = client.create(
        response_model=Weather,
        model=upstream.model,
        messages=ASKED,
        max_tokens=3000,
        thinking={"type": "enabled", "budget_tokens": 1024},
    )
    assert answer.city == "Paris"
