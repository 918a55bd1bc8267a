"""What each known host answers, as its vendor publishes it, one folder a preset: metered right, passed on as it came,
and understood by the official SDKs.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from anthropic.types import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.usage import Usage
from tollhouse.providers.registry import presets
from tollhouse.wire import FORMATS, PAIRS
from tollhouse.wire.chat import is_usage_event
from tollhouse.wire.format import Meter
from tollhouse.wire.framing import EventFraming

FOLDER = Path(__file__).parents[1] / "golden" / "transcripts"
INPUT_BOUND = 77
OF_THE_FOLDER_ABOVE = {"anthropic", "echo", "local", "openai"}
"""Presets whose transcripts are in the folder above, or that have no vendor."""

WHOLE: dict[str, Any] = {
    "chat": ChatCompletion,
    "messages": Message,
    "responses": Response,
    "embeddings": CreateEmbeddingResponse,
}


def expectations() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(FOLDER.glob("*/expected.json")):
        for name, row in json.loads(file.read_text()).items():
            yield f"{file.parent.name}/{name}", row


ALL = dict(expectations())
EXPECTED = {name: row for name, row in ALL.items() if row["format"] in FORMATS}
STREAMS = [name for name in EXPECTED if name.endswith(".sse")]
WHOLES = [name for name in EXPECTED if name.endswith(".json") and EXPECTED[name]["format"] in WHOLE]


def relay(name: str, chunks: list[bytes], *, asked: bool = False) -> tuple[bytes, Meter]:
    """What a client gets of these chunks, and the meter afterwards."""
    format = FORMATS[EXPECTED[name]["format"]]
    facts = Facts(model="m", size=10, stream=name.endswith(".sse"), generates=format.name != "embeddings")
    body = {"stream_options": {"include_usage": True}} if asked else {}
    pair = PAIRS[format.name, format.name]
    converter = pair.converter(Call("req_1", format.name, body, facts))
    framing, meter = format.framing(facts), format.meter(facts, INPUT_BOUND)
    out = b""
    for frames in [*(framing.feed(chunk) for chunk in chunks), framing.finish()]:
        for frame in frames:
            meter.feed(frame)
            out += converter.feed(frame)
    meter.finish()
    return out + converter.finish(), meter


@pytest.mark.parametrize("preset", sorted(presets().keys() - OF_THE_FOLDER_ABOVE))
def test_each_preset_has_transcripts_of_what_it_speaks_whole_and_streamed(preset: str) -> None:
    own = [name.partition("/")[2] for name in ALL if name.startswith(f"{preset}/")]
    for spoken in {"chat", "messages", "responses"} & presets()[preset].paths.keys():
        for kind in (".json", ".sse"):
            assert [name for name in own if name.startswith(spoken) and name.endswith(kind)], (spoken, kind)
    assert {path.name for path in (FOLDER / preset).iterdir()} == {*own, "expected.json"}


@pytest.mark.parametrize("name", ALL)
def test_a_transcript_is_of_a_format_that_its_preset_speaks(name: str) -> None:
    assert ALL[name]["format"] in presets()[name.partition("/")[0]].paths


@pytest.mark.parametrize("name", EXPECTED)
def test_a_transcript_has_the_usage_that_its_vendor_meant(name: str) -> None:
    _, meter = relay(name, [(FOLDER / name).read_bytes()])
    row = EXPECTED[name]
    assert meter.usage() == Usage(**row["usage"])
    assert (meter.complete, meter.refused) == (row["complete"], row.get("refused", False))
    assert (meter.problem is None) == (meter.complete and not meter.refused)


@pytest.mark.parametrize("name", EXPECTED)
@settings(max_examples=10)
@given(data=st.data())
def test_any_chunking_gives_the_same_bytes_and_the_same_usage(name: str, data: st.DataObject) -> None:
    text = (FOLDER / name).read_bytes()
    cuts = sorted(data.draw(st.sets(st.integers(1, len(text) - 1), max_size=30)))
    chunks = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    expected, meter = relay(name, [text])
    out, chunked = relay(name, chunks)
    assert (out, chunked.usage(), chunked.complete) == (expected, meter.usage(), meter.complete)


# A response has our id, and what it says of its state is ours: tests/unit/wire/test_responses_identity.py.
UNTOUCHED = [name for name in EXPECTED if EXPECTED[name]["format"] != "responses"]


@pytest.mark.parametrize("name", UNTOUCHED)
def test_nothing_is_kept_back_but_the_usage_event_that_the_caller_did_not_ask_for(name: str) -> None:
    text = (FOLDER / name).read_bytes()
    if EXPECTED[name]["format"] == "messages":
        text = text.replace(b'"id":"chatcmpl-', b'"id":"msg_')  # the format's own ids: tests/unit/wire/test_identity.py
    assert relay(name, [text], asked=True)[0] == text
    framing = EventFraming()
    events = [*framing.feed(text), *framing.finish()] if name.endswith(".sse") else [text]
    dropped = [one for one in events if EXPECTED[name]["format"] == "chat" and is_usage_event(one)]
    assert len(dropped) == EXPECTED[name]["dropped"]
    assert relay(name, [text])[0] == b"".join(one for one in events if one not in dropped)


@pytest.mark.parametrize("name", [name for name in WHOLES if "beyond_the_sdk" not in EXPECTED[name]])
def test_a_whole_reply_is_one_for_the_sdk(name: str) -> None:
    WHOLE[EXPECTED[name]["format"]].model_validate_json(relay(name, [(FOLDER / name).read_bytes()])[0])


@pytest.mark.parametrize("name", [one for one in STREAMS if EXPECTED[one]["format"] == "chat"])
def test_a_chat_stream_is_one_for_the_sdk(name: str) -> None:
    client = openai.OpenAI(api_key="k", base_url="http://host.example/v1", max_retries=0, http_client=answering(name))
    with client:
        stream = client.chat.completions.create(model="m", messages=[], stream=True)
        if not EXPECTED[name]["complete"]:
            with pytest.raises(openai.APIError):
                list(stream)
            return
        chunks = list(stream)
    assert [one.usage for one in chunks if one.usage][-1].completion_tokens
    assert any(choice.delta.content for one in chunks for choice in one.choices)
    if "beyond_the_sdk" not in EXPECTED[name]:
        for chunk in chunks:
            ChatCompletionChunk.model_validate(chunk.model_dump())


@pytest.mark.parametrize("name", [one for one in STREAMS if EXPECTED[one]["format"] == "messages"])
def test_a_messages_stream_is_one_for_the_sdk(name: str) -> None:
    client = anthropic.Anthropic(
        api_key="k", base_url="http://host.example", max_retries=0, http_client=answering(name)
    )
    with client, client.messages.stream(model="m", max_tokens=9, messages=[]) as stream:
        message = stream.get_final_message()
    assert message.usage.output_tokens == EXPECTED[name]["usage"]["output"]
    assert Message.model_validate(message.model_dump()).stop_reason == "end_turn"


@pytest.mark.parametrize("name", [one for one in STREAMS if EXPECTED[one]["format"] == "responses"])
def test_a_responses_stream_is_one_for_the_sdk(name: str) -> None:
    client = openai.OpenAI(api_key="k", base_url="http://host.example/v1", max_retries=0, http_client=answering(name))
    with client, client.responses.stream(model="m", input="x") as stream:
        response = stream.get_final_response()
    assert response.output_text == "Good evening."
    assert response.usage is not None
    assert response.usage.output_tokens == EXPECTED[name]["usage"]["output"]


def answering(name: str) -> httpx2.Client:
    text, _ = relay(name, [(FOLDER / name).read_bytes()], asked=True)
    answer = httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=text)
    return httpx2.Client(transport=httpx2.MockTransport(lambda _request: answer))
