"""The official SDKs, at the gateway as a user runs it, against the real local model and against echo."""

import time

import openai as openai_errors
import pytest
from anthropic import Anthropic
from anthropic import APIStatusError as AnthropicStatusError
from openai import APIStatusError, OpenAI

from tests.running import RunningGateway

LOCAL = "smollm2-135m"
HELLO = [{"role": "user", "content": "Say hello."}]


def test_models_are_listed(openai: OpenAI, anthropic: Anthropic) -> None:
    assert {LOCAL, "echo"} <= {model.id for model in openai.models.list()}
    assert {LOCAL, "echo"} <= {model.id for model in anthropic.models.list()}
    assert [model.id for model in anthropic.models.list(limit=1)] == [model.id for model in anthropic.models.list()]
    assert openai.models.retrieve(LOCAL).owned_by == "local"


def test_openai_gets_a_whole_answer_of_the_local_model(openai: OpenAI) -> None:
    answer = openai.chat.completions.with_raw_response.create(model=LOCAL, messages=HELLO, max_tokens=12)
    completion = answer.parse()
    assert completion.choices[0].message.content
    assert completion.usage is not None
    assert completion.usage.completion_tokens > 0
    assert answer.headers["x-tollhouse-model"] == LOCAL
    assert answer.headers["x-request-id"].startswith("req_")


def test_openai_gets_a_streamed_answer_of_the_local_model(openai: OpenAI) -> None:
    stream = openai.chat.completions.create(
        model=LOCAL, messages=HELLO, max_tokens=12, stream=True, stream_options={"include_usage": True}
    )
    events = list(stream)
    assert "".join(event.choices[0].delta.content or "" for event in events if event.choices)
    assert events[-1].usage is not None
    assert events[-1].usage.completion_tokens > 0


def test_openai_gets_embeddings_of_the_local_model(openai: OpenAI) -> None:
    answer = openai.embeddings.create(model=LOCAL, input=["one text", "another"])
    assert len(answer.data) == 2
    assert len(answer.data[0].embedding) == len(answer.data[1].embedding) > 100
    assert answer.usage.prompt_tokens > 0


def test_anthropic_gets_a_whole_answer_of_the_local_model(anthropic: Anthropic) -> None:
    message = anthropic.messages.create(model=LOCAL, messages=HELLO, max_tokens=12)
    assert message.content[0].type == "text"
    assert message.content[0].text
    assert message.usage.output_tokens > 0


def test_anthropic_gets_a_streamed_answer_of_the_local_model(anthropic: Anthropic) -> None:
    with anthropic.messages.stream(model=LOCAL, messages=HELLO, max_tokens=12) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text
    assert final.usage.output_tokens > 0


def test_echo_answers_the_sdks_word_for_word(openai: OpenAI, anthropic: Anthropic) -> None:
    said = [{"role": "user", "content": "one two three"}]
    whole = openai.chat.completions.create(model="echo", messages=said)
    assert whole.choices[0].message.content == "one two three"
    with anthropic.messages.stream(model="echo", messages=said, max_tokens=10) as stream:
        assert "".join(stream.text_stream) == "one two three"


def test_every_call_is_in_the_usage(running: RunningGateway) -> None:
    key = running.json("keys", "create", "--name", "counted")
    client = running.openai(key["key"])
    answer = client.chat.completions.create(model=LOCAL, messages=HELLO, max_tokens=5)
    assert answer.usage is not None
    deadline = time.monotonic() + 10
    while True:
        rows = {row["key"]: row for row in running.json("usage", "--by", "key")}
        if key["id"] in rows:
            break
        assert time.monotonic() < deadline
    assert rows[key["id"]]["requests"] == 1
    assert rows[key["id"]]["input_tokens"] == answer.usage.prompt_tokens
    assert rows[key["id"]]["output_tokens"] == answer.usage.completion_tokens
    assert rows[key["id"]]["cost_usd"] == "0"


def test_errors_reach_the_sdks_as_their_own(openai: OpenAI, anthropic: Anthropic, running: RunningGateway) -> None:
    with pytest.raises(openai_errors.NotFoundError, match="echo"):
        openai.chat.completions.create(model="ecko", messages=HELLO)
    with pytest.raises(openai_errors.BadRequestError) as bad:
        openai.chat.completions.create(model="echo", messages=[{"role": "boss", "content": "x"}])  # type: ignore[list-item]
    assert bad.value.param == "messages[0].role"
    stranger = running.openai("sk-th-no")
    with pytest.raises(openai_errors.AuthenticationError):
        stranger.models.list()
    with pytest.raises(AnthropicStatusError) as missing:
        anthropic.messages.create(model="ecko", messages=HELLO, max_tokens=5)
    assert missing.value.status_code == 404
    assert "not_found_error" in str(missing.value.body)


def test_a_revoked_key_ends_within_a_second_everywhere(running: RunningGateway) -> None:
    key = running.json("keys", "create", "--name", "short-lived")
    client = running.openai(key["key"])
    for _ in range(8):
        client.models.list()
    running.command("keys", "revoke", key["id"])
    time.sleep(1)
    for _ in range(8):
        with pytest.raises(openai_errors.AuthenticationError, match="revoked"):
            client.models.list()


def test_a_provider_is_added_without_code_or_restart_within_a_second(running: RunningGateway, openai: OpenAI) -> None:
    running.command(
        "providers",
        "add",
        "another",
        "--format",
        "openai",
        "--base-url",
        f"{running.url}/v1",
        "--allow-private",
        "--api-key-env",
        "SOME_KEY",
        SOME_KEY=running.key,
    )
    running.command("models", "add", "loop", "--provider", "another", "--upstream-model", "echo")
    time.sleep(1)
    for _ in range(4):
        with pytest.raises(APIStatusError, match="sent by a Tollhouse"):
            openai.chat.completions.create(model="loop", messages=HELLO)


def test_a_spent_budget_is_an_error_that_the_sdks_do_not_retry(running: RunningGateway) -> None:
    key = running.json("keys", "create", "--name", "poor")
    running.command("providers", "add", "dear", "--format", "echo", "--base-url", "echo:")
    running.command(
        "models",
        "add",
        "dear",
        "--provider",
        "dear",
        "--upstream-model",
        "echo",
        "--input-price",
        "10",
        "--output-price",
        "10",
        "--context-window",
        "1000",
    )
    running.command("budgets", "set", "--key", key["id"], "--usd", "0.000001", "--period", "day")
    time.sleep(1)
    client = running.openai(key["key"], max_retries=3)
    began = time.monotonic()
    with pytest.raises(openai_errors.RateLimitError) as refused:
        client.chat.completions.create(model="dear", messages=HELLO)
    assert time.monotonic() - began < 1
    assert refused.value.code == "insufficient_quota"
    other = running.anthropic(key["key"], max_retries=3)
    with pytest.raises(AnthropicStatusError) as spent:
        other.messages.create(model="dear", messages=HELLO, max_tokens=5)
    assert spent.value.status_code == 402
