"""Calls of Responses to hosts that speak it themselves: they are to keep nothing, and see no id of ours."""

import json
from pathlib import Path
from typing import Any

import pytest

from tollhouse.domain.call import Call
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.routes import Host, Manners, Target
from tollhouse.domain.usage import Usage
from tollhouse.wire import FORMATS, PAIRS
from tollhouse.wire.framing import EventFraming, event_data

TRANSCRIPTS = Path(__file__).parents[2] / "golden" / "transcripts"
STREAMS = [
    "responses-openai-text.sse",
    "responses-openai-reasoning-tool-and-cached-prompt.sse",
    "responses-crlf-spaced-type-last.sse",
    "responses-unnamed-events-done-at-the-end.sse",
    "responses-openai-incomplete.sse",
]
PAIR = PAIRS["responses", "responses"]
KEPT = {"store": True, "previous_response_id": "resp_before", "conversation": None}
REQUEST = "req_01kabc"


def call(**fields: Any) -> Call:
    body = {"model": "m", "input": "Hello", **fields}
    return Call(REQUEST, "responses", body, FORMATS["responses"].read(body, 100))


def sent(upstream_model: str = "gpt-5-mini", *, encrypts: bool = True, **fields: Any) -> dict[str, Any]:
    target = Target("m", upstream_model, Host("h", "host", "openai", "https://host.example"), None)
    body: dict[str, Any] = json.loads(
        FORMATS["responses"].write(call(**fields), target, None, Manners(encrypts_thoughts=encrypts))
    )
    return body


def replied(text: bytes, **fields: Any) -> bytes:
    told = call(**fields)
    converter = PAIR.converter(told)
    framing = FORMATS["responses"].framing(told.facts)
    frames = [*framing.feed(text), *framing.finish()]
    return b"".join([*map(converter.feed, frames), converter.finish()])


def events(text: bytes) -> list[dict[str, Any]]:
    framing = EventFraming()
    frames = [*framing.feed(text), *framing.finish()]
    return [json.loads(data) for frame in frames if (data := event_data(frame)) and not data.startswith(b"[DONE]")]


@pytest.mark.parametrize("fields", [{}, {"store": True}, {"store": None}, {"store": False, "conversation": "conv_1"}])
def test_a_host_keeps_nothing_and_gives_thoughts_away_encrypted(fields: dict[str, Any]) -> None:
    body = sent(**fields, previous_response_id=None, include=["message.output_text.logprobs"])
    assert body["store"] is False
    assert not body.keys() & {"previous_response_id", "conversation"}
    assert body["include"] == ["message.output_text.logprobs", "reasoning.encrypted_content"]


def test_a_call_that_keeps_nothing_is_sent_as_it_is() -> None:
    assert sent(store=False) == {"model": "gpt-5-mini", "input": "Hello", "store": False}
    assert sent(store=False, previous_response_id="resp_1") == sent(store=False)


@pytest.mark.parametrize(
    ("model", "encrypts", "fields", "asked"),
    [
        ("gpt-4o", True, {}, False),
        ("gpt-5-chat-latest", True, {}, False),
        ("gpt-6-astra", True, {}, True),
        ("o4-mini", True, {}, True),
        ("our-deployment", True, {}, False),
        ("our-deployment", True, {"reasoning": {"effort": "low"}}, True),
        ("gpt-5", False, {"reasoning": {"effort": "low"}}, False),
    ],
)
def test_only_who_can_encrypt_thoughts_is_asked_to(
    model: str, encrypts: bool, fields: dict[str, Any], asked: bool
) -> None:
    assert ("include" in sent(model, encrypts=encrypts, **fields)) is asked


def test_items_of_ours_lose_their_ids_and_the_hosts_own_keep_theirs() -> None:
    ours, theirs = new_id("msg"), "msg_68c9a1b2c3d4e5f60718293a4b5c6d7e"
    said = [{"type": "output_text", "text": "a", "annotations": []}, {"type": "output_text", "text": "b"}]
    items = [
        {"id": ours, "type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]},
        {"id": f"{ours}_0", "type": "message", "role": "assistant", "status": "completed", "content": said},
        {"id": f"fc_{ours[4:]}_1", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"id": theirs, "type": "message", "role": "assistant", "content": said},
        {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAAAAB"},
        {"id": "rs_2", "type": "reasoning", "summary": [{"type": "summary_text", "text": "kept nowhere"}]},
        {"id": "rs_3", "type": "reasoning", "summary": [], "encrypted_content": "rs1.e30="},
    ]
    told = PAIR.request({"model": "m", "input": items, "store": True}).body["input"]
    assert told == [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]},
        {"type": "message", "role": "assistant", "content": "ab"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        items[3],
        items[4],
    ]


@pytest.mark.parametrize(
    "given", ["Hello", [{"role": "user", "content": "Hello"}, {"type": "reasoning", "id": "rs_1"}]]
)
def test_a_body_without_anything_of_ours_is_the_same_object(given: Any) -> None:
    body = {"model": "m", "input": given, "store": False}
    assert PAIR.request(body).body is body


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_has_our_id_wherever_it_tells_the_response_and_is_else_the_same(name: str) -> None:
    text = (TRANSCRIPTS / name).read_bytes()
    before, after = events(text), events(replied(text, stream=True, **KEPT))
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        if "response" in old:
            assert (new["response"]["id"], new["response"]["store"]) == ("resp_01kabc", True)
            assert new["response"]["previous_response_id"] == "resp_before"
            old["response"] |= {name: new["response"][name] for name in ("id", "store", "previous_response_id")}
        assert new == old


@pytest.mark.parametrize("name", STREAMS)
def test_the_stream_of_a_call_that_keeps_nothing_is_untouched(name: str) -> None:
    text = (TRANSCRIPTS / name).read_bytes()
    assert replied(text, stream=True, store=False) == text


def test_a_whole_reply_has_our_id_and_what_happened() -> None:
    text = (TRANSCRIPTS / "responses-text.json").read_bytes()
    told = json.loads(replied(text, store=False, conversation={"id": "conv_1"}))
    assert (told["id"], told["store"], told["conversation"]) == ("resp_01kabc", False, {"id": "conv_1"})
    assert told["output"] == json.loads(text)["output"]
    assert replied(text, store=False) == text
    assert replied(b"not json", store=True) == b"not json"


def test_a_last_event_of_ten_megabytes_has_our_id_and_its_usage() -> None:
    image = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "A" * 10_000_000}
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    told = {"id": "resp_host", "status": "completed", "output": [image], "usage": usage}
    event = b"data: " + json.dumps({"type": "response.completed", "response": told}).encode() + b"\n\n"
    asked = call(stream=True, **KEPT)
    format = FORMATS["responses"]
    framing, meter, converter = format.framing(asked.facts), format.meter(asked.facts, 1000), PAIR.converter(asked)
    out = b""
    for frame in [frame for n in range(0, len(event), 65_536) for frame in framing.feed(event[n : n + 65_536])]:
        meter.feed(frame)
        out += converter.feed(frame)
    response = json.loads(event_data(out))["response"]
    assert (response["id"], response["output"]) == ("resp_01kabc", [image])
    assert (meter.complete, meter.usage()) == (True, Usage(input=3, output=2))
