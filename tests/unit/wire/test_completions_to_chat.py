"""Clients of legacy Completions, served by hosts of chat. The cases are files in tests/golden/completions_to_chat."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai.types import Completion

from tests.translations import GOLDEN, read, relayed
from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import InvalidField
from tollhouse.wire import FORMATS, PAIRS
from tollhouse.wire.completions import CompletionsFormat
from tollhouse.wire.completions_to_chat import CompletionsToChat
from tollhouse.wire.framing import EventFraming

FOLDER = GOLDEN / "completions_to_chat"
REQUESTS = sorted((FOLDER / "requests").glob("*.json"))
REPLIES = sorted((FOLDER / "replies").glob("*.json"))
STREAMS = sorted(path for path in (FOLDER / "streams").glob("*.sse") if not path.name.endswith(".client.sse"))
PAIR = CompletionsToChat(clock=lambda: 1763000001.5)


def call_of(body: dict[str, Any], *, stream: bool = False) -> Call:
    return Call("req_7", "completions", body, Facts("alias", 1, stream=stream))


def streamed(path: Path) -> bytes:
    asked = path.with_suffix(".call.json")
    converter = PAIR.converter(call_of(read(asked) if asked.exists() else {"stream": True}, stream=True))
    return relayed(EventFraming(), converter, [path.read_bytes()])


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_a_request_is_translated_and_tells_what_it_lost(path: Path) -> None:
    case = read(path)
    CompletionsFormat().read(case["request"], 1)
    if "refused" in case:
        with pytest.raises(InvalidField) as refusal:
            PAIR.request(case["request"])
        assert refusal.value.param == case["refused"]
        assert refusal.value.message.startswith(f"{case['refused']}: ")
        return
    before = json.dumps(case["request"])
    translated = PAIR.request(case["request"])
    assert translated.body == case["expected"]
    assert translated.dropped == tuple(case.get("dropped", ()))
    assert set(translated.dropped) <= {loss.field for loss in PAIR.losses}
    assert json.dumps(case["request"]) == before
    FORMATS["chat"].read(translated.body, 1)


@pytest.mark.parametrize("path", REPLIES, ids=lambda path: path.stem)
def test_a_whole_reply_is_what_the_sdk_reads(path: Path) -> None:
    case = read(path)
    converter = PAIR.converter(call_of(case.get("asked", {})))
    text = json.dumps(case["document"]).encode()
    for start in range(0, len(text), 7):
        assert converter.feed(text[start : start + 7]) == b""
    document = json.loads(converter.finish())
    assert document == case["expected"]
    if "error" not in document:
        Completion.model_validate(document, strict=True)


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_stream_is_what_its_golden_file_says(path: Path) -> None:
    assert streamed(path) == path.with_suffix(".client.sse").read_bytes()


@cache
def sdk_reads(path: Path) -> list[Completion]:
    answer = streamed(path)
    headers = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, content=answer, headers=headers))
    with openai.OpenAI(api_key="k", max_retries=0, http_client=httpx2.Client(transport=transport)) as client:
        return list(client.completions.create(model="m", prompt="x", stream=True))


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_the_sdk_reads_a_stream_or_raises_the_hosts_error(path: Path) -> None:
    if b'data: {"error"' in streamed(path):
        with pytest.raises(openai.APIError):
            sdk_reads(path)
        return
    for chunk in sdk_reads(path):
        assert chunk.object == "text_completion"
        assert all(isinstance(choice.text, str) for choice in chunk.choices)


def test_a_host_of_messages_is_asked_through_chat() -> None:
    pair = PAIRS["completions", "messages"]
    translated = pair.request({"model": "claude", "prompt": "Hi", "stop": "x", "logprobs": 2, "best_of": 3})
    assert translated.body == {
        "model": "claude",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "stop_sequences": ["x"],
    }
    assert set(translated.dropped) == {"best_of", "logprobs", "top_logprobs"}
    with pytest.raises(InvalidField) as refusal:
        pair.request({"model": "claude", "prompt": "Hi", "n": 2})
    assert refusal.value.param == "n"


def test_a_message_comes_back_as_a_completion() -> None:
    pair = PAIRS["completions", "messages"]
    converter = pair.converter(call_of({"model": "m", "prompt": "Hi"}))
    message = {
        "id": "msg_1",
        "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hello"}],
        "stop_reason": "max_tokens",
        "usage": {"input_tokens": 3, "output_tokens": 1},
    }
    document = json.loads(converter.feed(json.dumps(message).encode()) + converter.finish())
    completion = Completion.model_validate(document, strict=True)
    assert (completion.id, completion.model) == ("cmpl-1", "alias")
    assert (completion.choices[0].text, completion.choices[0].finish_reason) == ("Hello", "length")
    assert completion.usage is not None
    assert completion.usage.total_tokens == 4
