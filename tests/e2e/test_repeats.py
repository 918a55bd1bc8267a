"""`Idempotency-Key` by the official SDKs, at the gateway as a user runs it."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

import anthropic as anthropic_errors
import openai as openai_errors
import pytest

from tests.counting_host import CountingHost
from tests.running import RunningGateway, wait_until

HELLO: Any = [{"role": "user", "content": "one two three four five six seven eight"}]


@pytest.fixture
def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


@pytest.fixture(scope="module")
def host(running: RunningGateway) -> Iterator[CountingHost]:
    """Behind the model `repeated`, which takes its time."""
    host = CountingHost(2.0)
    running.command("providers", "add", "repeats", "--format", "openai", "--base-url", host.url, "--allow-private")
    prices = ("--input-price", "1", "--output-price", "2")
    running.command("models", "add", "repeated", "--provider", "repeats", *prices)
    running.command("providers", "add", "pausing", "--format", "echo", "--base-url", "echo:?chunk_ms=100")
    running.command("models", "add", "pausing", "--provider", "pausing", "--upstream-model", "echo", *prices)
    time.sleep(1.2)
    yield host
    host.close()


def test_openai_asks_again_and_has_the_same_answer(running: RunningGateway, key: dict[str, str]) -> None:
    client = running.openai()
    ways: Any = [
        lambda headers: client.chat.completions.create(model="echo", messages=HELLO, extra_headers=headers),
        lambda headers: client.responses.create(model="echo", input="hello", extra_headers=headers),
        lambda headers: client.embeddings.create(model="echo", input="hello", extra_headers=headers),
        lambda headers: client.conversations.create(metadata={"a": "b"}, extra_headers=headers),
        lambda headers: client.files.create(file=("a.jsonl", b"{}\n"), purpose="batch", extra_headers=headers),
    ]
    for number, way in enumerate(ways):
        headers = {"Idempotency-Key": f"{key['Idempotency-Key']}-{number}"}
        assert way(headers) == way(headers)
    chunks = [
        list(client.chat.completions.create(model="echo", messages=HELLO, stream=True, extra_headers=key))
        for _ in range(2)
    ]
    assert chunks[0] == chunks[1]
    with pytest.raises(openai_errors.UnprocessableEntityError, match="another request"):
        client.chat.completions.create(model="echo", messages=HELLO, temperature=1, stream=True, extra_headers=key)


def test_anthropic_asks_again_and_has_the_same_answer(running: RunningGateway, key: dict[str, str]) -> None:
    client = running.anthropic()
    asked: Any = {"model": "echo", "max_tokens": 50, "messages": HELLO}
    raw = [client.messages.with_raw_response.create(**asked, extra_headers=key) for _ in range(2)]
    assert raw[0].parse() == raw[1].parse()
    assert raw[1].headers["idempotency-replayed"] == "true"
    assert raw[1].headers["x-tollhouse-original-request"] == raw[0].headers["request-id"]
    with pytest.raises(anthropic_errors.UnprocessableEntityError):
        client.messages.create(**{**asked, "max_tokens": 51}, extra_headers=key)
    streamed = {"Idempotency-Key": str(uuid.uuid4())}
    finals = []
    for _ in range(2):
        with client.messages.stream(**asked, extra_headers=streamed) as stream:
            finals.append(stream.get_final_message())
    assert finals[0] == finals[1]


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_a_client_that_gives_up_too_early_gets_the_answer_by_its_own_retries_for_one_call(
    running: RunningGateway, host: CountingHost, vendor: str
) -> None:
    """The SDKs send the same key with each retry, where they are told its header."""
    text = f"slowly, {vendor}"
    messages: Any = [{"role": "user", "content": text}]
    client: Any = getattr(running, vendor)(timeout=0.7, max_retries=10)
    client._idempotency_header = "Idempotency-Key"
    create = client.chat.completions.create if vendor == "openai" else client.messages.create
    answer = create(model="repeated", max_tokens=50, messages=messages)
    assert text in answer.model_dump_json()
    assert host.seen[text] == 1


def test_a_stream_that_was_left_in_the_middle_is_there_for_who_comes_back(
    running: RunningGateway, host: CountingHost, key: dict[str, str]
) -> None:
    client = running.openai(max_retries=0)
    asked: Any = {"model": "pausing", "messages": HELLO, "stream": True, "extra_headers": key}
    with client.chat.completions.create(**asked) as stream:
        begun = next(iter(stream))
    with pytest.raises(openai_errors.ConflictError, match="under way"):
        client.chat.completions.create(**asked)
    again: list[Any] = []

    def answered() -> bool:
        try:
            again.extend(client.chat.completions.create(**asked))
        except openai_errors.ConflictError:
            return False
        return True

    wait_until(answered, 30)
    assert again[0] == begun
    said = "".join(chunk.choices[0].delta.content or "" for chunk in again if chunk.choices)
    assert said == HELLO[0]["content"]
    assert running.usage("pausing", 1)["requests"] == 1
