"""Limits as the official SDKs see them, at the gateway as a user runs it."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import anthropic as anthropic_errors
import openai as openai_errors
import pytest
from openai import OpenAI

from tests.running import RunningGateway

HELLO = [{"role": "user", "content": "Say hello."}]


def limited(running: RunningGateway, *limits: str) -> str:
    """A key under these limits, known everywhere."""
    key = running.json("keys", "create", "--name", "limited")
    running.json("limits", "set", "--key", key["id"], *limits)
    time.sleep(1)
    return str(key["key"])


def call(client: OpenAI) -> str:
    try:
        client.chat.completions.create(model="echo", messages=HELLO)
    except openai_errors.RateLimitError as error:
        return error.code or ""
    return "ok"


def test_openai_is_told_what_is_left_and_what_was_refused(running: RunningGateway) -> None:
    client = running.openai(limited(running, "--rpm", "2", "--tpm", "100000", "--concurrency", "5"))
    answer = client.chat.completions.with_raw_response.create(model="echo", messages=HELLO, max_tokens=50)
    assert answer.headers["x-ratelimit-limit-requests"] == "2"
    assert answer.headers["x-ratelimit-remaining-requests"] == "1"
    assert re.fullmatch(r"1m0s|5\d(\.\d+)?s", answer.headers["x-ratelimit-reset-requests"])
    assert answer.headers["x-ratelimit-limit-tokens"] == "100000"
    assert 99_000 < int(answer.headers["x-ratelimit-remaining-tokens"]) < 100_000
    stream = client.chat.completions.with_raw_response.create(model="echo", messages=HELLO, stream=True)
    assert stream.headers["x-ratelimit-remaining-requests"] == "0"
    assert list(stream.parse())
    with pytest.raises(openai_errors.RateLimitError, match="2 requests a minute") as refused:
        client.chat.completions.create(model="echo", messages=HELLO)
    headers = refused.value.response.headers
    assert (refused.value.code, refused.value.type) == ("rate_limit_exceeded", "requests")
    assert 50 < int(headers["retry-after"]) <= 60
    assert 50_000 < int(headers["retry-after-ms"]) <= 60_000
    assert headers["x-ratelimit-remaining-requests"] == "0"


def test_anthropic_is_told_in_its_own_words(running: RunningGateway) -> None:
    client = running.anthropic(limited(running, "--rpm", "1", "--tpm", "100000"))
    answer = client.messages.with_raw_response.create(model="echo", messages=HELLO, max_tokens=5)
    assert answer.headers["anthropic-ratelimit-requests-limit"] == "1"
    assert answer.headers["anthropic-ratelimit-requests-remaining"] == "0"
    reset = datetime.fromisoformat(answer.headers["anthropic-ratelimit-requests-reset"])
    assert 50 < (reset - datetime.now(UTC)).total_seconds() < 62
    assert answer.headers["anthropic-ratelimit-tokens-limit"] == "100000"
    with pytest.raises(anthropic_errors.RateLimitError) as refused:
        client.messages.create(model="echo", messages=HELLO, max_tokens=5)
    assert "rate_limit_error" in str(refused.value.body)
    assert 50 < int(refused.value.response.headers["retry-after"]) <= 60


def test_a_call_larger_than_the_limit_is_refused_at_once_and_not_tried_again(running: RunningGateway) -> None:
    client = running.openai(limited(running, "--tpm", "1000"), max_retries=3)
    began = time.monotonic()
    with pytest.raises(openai_errors.RateLimitError, match="lower max_tokens") as refused:
        client.chat.completions.create(model="echo", messages=HELLO, max_tokens=1000)
    assert time.monotonic() - began < 1
    assert refused.value.type == "tokens"
    assert "retry-after" not in refused.value.response.headers
    # Without a cap nobody knows how much it answers: it is let in, and charged what it used.
    for _ in range(5):
        client.chat.completions.create(model="echo", messages=HELLO)


def test_an_sdk_that_waits_as_it_is_told_gets_its_answer(running: RunningGateway) -> None:
    running.command("providers", "add", "slow", "--format", "echo", "--base-url", "echo:?delay_ms=700")
    running.command("models", "add", "slow", "--provider", "slow", "--upstream-model", "echo")
    patient = running.openai(limited(running, "--concurrency", "1"), max_retries=5)

    def slow(_: int) -> bool:
        return bool(patient.chat.completions.create(model="slow", messages=HELLO).choices)

    with ThreadPoolExecutor(2) as threads:
        assert all(threads.map(slow, range(2)))


def test_calls_one_after_the_other_never_find_their_own_place_taken(running: RunningGateway) -> None:
    key = limited(running, "--concurrency", "1")
    for stream in (False, True):
        client = running.openai(key)
        for _ in range(20):
            answer = client.chat.completions.create(model="echo", messages=HELLO, stream=stream)
            assert answer if not stream else list(answer)


def test_200_calls_at_once_to_several_processes_get_exactly_what_the_limit_allows(running: RunningGateway) -> None:
    client = running.openai(limited(running, "--rpm", "50"), timeout=60)
    with ThreadPoolExecutor(64) as threads:
        outcomes = list(threads.map(lambda _: call(client), range(200)))
    assert (outcomes.count("ok"), outcomes.count("rate_limit_exceeded")) == (50, 150)


def test_a_limit_is_changed_and_removed_within_a_second(running: RunningGateway) -> None:
    made = running.json("keys", "create", "--name", "changing")
    client = running.openai(made["key"])
    limit = running.json("limits", "set", "--key", made["id"], "--rpm", "1")
    time.sleep(1)
    assert [call(client) for _ in range(3)] == ["ok", "rate_limit_exceeded", "rate_limit_exceeded"]
    running.command("limits", "set", "--key", made["id"], "--rpm", "2")
    time.sleep(1)
    assert [call(client) for _ in range(2)] == ["ok", "rate_limit_exceeded"]
    running.command("limits", "remove", limit["id"])
    time.sleep(1)
    answers = [client.chat.completions.with_raw_response.create(model="echo", messages=HELLO) for _ in range(4)]
    assert not any("x-ratelimit-limit-requests" in answer.headers for answer in answers)


def test_a_limit_on_a_model_is_for_all_its_callers(running: RunningGateway) -> None:
    running.command("providers", "add", "shared", "--format", "echo", "--base-url", "echo:")
    running.command("models", "add", "shared", "--provider", "shared", "--upstream-model", "echo")
    running.command("limits", "set", "--model", "shared", "--rpm", "3")
    keys = [running.json("keys", "create", "--name", f"caller {number}")["key"] for number in range(2)]
    time.sleep(1)
    clients = [running.openai(key) for key in keys]
    for number in range(3):
        clients[number % 2].chat.completions.create(model="shared", messages=HELLO)
    for client in clients:
        with pytest.raises(openai_errors.RateLimitError, match="the model shared 3 requests a minute"):
            client.chat.completions.create(model="shared", messages=HELLO)
        client.chat.completions.create(model="echo", messages=HELLO)
