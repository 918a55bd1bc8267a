"""Whatever a host of Messages sends, however it is cut: the client gets the same, and nothing breaks."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.translations import GOLDEN, bytewise, events_of, pieces, relayed
from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import InvalidField
from tollhouse.wire import json_text
from tollhouse.wire.chat_to_messages import ChatToMessages
from tollhouse.wire.framing import EventFraming

TRANSCRIPTS = sorted(
    [path for path in (GOLDEN / "chat_to_messages" / "streams").glob("*.sse") if ".client" not in path.name]
    + list((GOLDEN / "transcripts").glob("messages-*.sse"))
)
PAIR = ChatToMessages(clock=lambda: 1763000000)
ASKED = {"stream": True, "stream_options": {"include_usage": True}}


def streamed(chunks: list[bytes], body: dict[str, Any]) -> bytes:
    converter = PAIR.converter(Call("req_1", "chat", body, Facts("alias", 1, stream=True)))
    return relayed(EventFraming(), converter, chunks)


def whole(document: Any, body: dict[str, Any]) -> Any:
    converter = PAIR.converter(Call("req_1", "chat", body, Facts("alias", 1)))
    assert converter.feed(json_text.write(document)) == b""
    return json.loads(converter.finish())


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
@settings(max_examples=20)
@given(data=st.data())
def test_any_chunking_of_a_transcript_gives_the_client_the_same_bytes(path: Path, data: st.DataObject) -> None:
    text = path.read_bytes()
    assert streamed(pieces(data, text), ASKED) == streamed([text], ASKED)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_one_byte_at_a_time_is_a_chunking_too(path: Path) -> None:
    text = path.read_bytes()
    assert streamed(bytewise(text), ASKED) == streamed([text], ASKED)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_every_prefix_gives_a_beginning_of_the_same_and_ends_only_at_the_end(path: Path) -> None:
    text = path.read_bytes()
    answer = streamed([text], {})
    for length in range(0, len(text), 11):
        # What is left of a cut event is an error, after what came before it.
        begun, failed, _ = streamed([text[:length]], {}).partition(b'data: {"error":')
        assert answer.startswith(begun)
        assert not (failed and b"[DONE]" in begun)
        for chunk in events_of(begun):
            ChatCompletionChunk.model_validate(chunk, strict=True)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
citations = st.fixed_dictionaries(
    {"type": st.just("web_search_result_location"), "url": st.sampled_from(["https://a.example", "http://b.example"])}
)
blocks = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": st.text(), "citations": st.lists(citations, max_size=2)}),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": st.text(), "signature": st.text()}),
    st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": st.text()}),
    st.fixed_dictionaries(
        {
            "type": st.just("tool_use"),
            "id": st.from_regex(r"\Atoolu_[a-z0-9]{1,8}\Z"),
            "name": st.from_regex(r"\A[a-z]{1,8}\Z"),
            "input": st.dictionaries(st.text(), json_values, max_size=3),
        }
    ),
    st.fixed_dictionaries({"type": st.sampled_from(["server_tool_use", "web_search_tool_result", "of_tomorrow"])}),
)
reasons = st.sampled_from(
    ["end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", "other", None]
)
counts = st.integers(0, 10**6)
messages = st.fixed_dictionaries(
    {
        "id": st.just("msg_1"),
        "content": st.lists(blocks, max_size=5),
        "stop_reason": reasons,
        "usage": st.fixed_dictionaries(
            {"input_tokens": counts, "output_tokens": counts},
            optional={"cache_read_input_tokens": counts, "cache_creation_input_tokens": counts},
        ),
    }
)


def transcript(message: dict[str, Any], split: int) -> bytes:
    """The events in which a host would stream this message, its texts in pieces of `split` characters."""
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}},
    ]
    for index, block in enumerate(message["content"]):
        empty = {**block, **{name: "" for name in ("text", "thinking", "signature") if name in block}}
        if block["type"] == "tool_use":
            empty["input"] = {}
        if "citations" in block:
            empty["citations"] = []
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas_of(block, split)]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": message["stop_reason"]}
    events += [{"type": "message_delta", "delta": delta, "usage": message["usage"]}, {"type": "message_stop"}]
    return b"".join([b"event: %s\ndata: %s\n\n" % (e["type"].encode(), json_text.write(e)) for e in events])


def deltas_of(block: dict[str, Any], split: int) -> list[dict[str, Any]]:
    told = {"text": block.get("text", ""), "thinking": block.get("thinking", "")}
    deltas: list[dict[str, Any]] = [
        {"type": f"{name}_delta", name: text[start : start + split]}
        for name, text in told.items()
        for start in range(0, len(text), split)
    ]
    deltas += [{"type": "citations_delta", "citation": citation} for citation in block.get("citations", ())]
    if block["type"] == "tool_use" and block["input"]:
        text = json_text.write(block["input"]).decode()
        deltas += [
            {"type": "input_json_delta", "partial_json": text[start : start + split]}
            for start in range(0, len(text), split)
        ]
    if "signature" in block:
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    return deltas


@settings(max_examples=150, deadline=None)
@given(message=messages, split=st.integers(1, 9))
def test_a_stream_put_together_by_the_sdk_is_the_whole_reply(message: dict[str, Any], split: int) -> None:
    completion = whole(message, ASKED)
    ChatCompletion.model_validate(completion, strict=True)
    answer = streamed([transcript(message, split)], ASKED)
    assert answer.endswith(b"data: [DONE]\n\n")
    state = ChatCompletionStreamState()
    for chunk in events_of(answer):
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk, strict=True))
    snapshot = state.current_completion_snapshot
    assert snapshot.usage is not None
    assert snapshot.usage.to_dict() == completion["usage"]
    said, together = completion["choices"][0], snapshot.choices[0]
    assert together.finish_reason == said["finish_reason"]
    message_together = together.message.to_dict()
    for name in ("reasoning_content", "annotations"):
        assert message_together.get(name) == said["message"].get(name)
    assert (together.message.content or "") == (said["message"]["content"] or "")
    assert [
        {name: value for name, value in block.items() if name != "index"}
        for block in message_together.get("thinking_blocks", [])
    ] == said["message"].get("thinking_blocks", [])
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }
        for call in together.message.tool_calls or ()
        if call.type == "function"
    ]
    assert calls == said["message"].get("tool_calls", [])


@settings(max_examples=100, deadline=None)
@given(message=messages)
def test_what_the_model_said_goes_back_as_it_was(message: dict[str, Any]) -> None:
    """Thoughts with their signatures and calls with their ids; only blank text and what was lost before are not."""
    answered = ChatCompletion.model_validate(whole(message, {})).choices[0].message.model_dump(exclude_none=True)
    user = {"role": "user", "content": "go"}
    called = answered.get("tool_calls", [])
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "done"} for call in called]
    translated = PAIR.request({"model": "m", "messages": [user, answered, *results, user]})
    turns = translated.body["messages"]
    back = turns[1]["content"] if len(turns) == 3 else []
    assert [b for b in back if "thinking" in b["type"]] == [b for b in message["content"] if "thinking" in b["type"]]
    assert [b for b in back if b["type"] == "tool_use"] == [b for b in message["content"] if b["type"] == "tool_use"]
    text = "".join(b["text"] for b in message["content"] if b["type"] == "text")
    assert "".join(b["text"] for b in back if b["type"] == "text") == (text if text.strip() else "")
    assert translated.dropped == ()


words = st.sampled_from(
    [
        *("message_start", "content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop", "error", "ping", "text", "thinking", "tool_use", "text_delta"),
        *("thinking_delta", "input_json_delta", "signature_delta", "citations_delta", "redacted_thinking", ""),
    ]
)
shapes = st.recursive(
    words | st.none() | st.integers(-2, 3) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "type",
                        "index",
                        "delta",
                        "content_block",
                        "message",
                        "usage",
                        "error",
                        "text",
                        "thinking",
                        "input",
                    ),
                    *(
                        "partial_json",
                        "signature",
                        "citation",
                        "citations",
                        "url",
                        "title",
                        "stop_reason",
                        "stop_details",
                    ),
                    *("explanation", "id", "name", "input_tokens", "output_tokens", "service_tier", "content"),
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(events=st.lists(st.tuples(words, shapes), max_size=8), legacy=st.booleans())
def test_no_shape_of_an_event_makes_the_converter_raise(events: list[tuple[str, Any]], legacy: bool) -> None:
    documents = [{**shape, "type": kind} if isinstance(shape, dict) else shape for kind, shape in events]
    text = b"".join([b"data: " + json_text.write(document) + b"\n\n" for document in documents])
    answer = streamed([text], {**ASKED, **({"functions": [{"name": "f"}]} if legacy else {})})
    assert answer.count(b"[DONE]") <= 1
    for chunk in events_of(answer):
        if "error" not in chunk:
            ChatCompletionChunk.model_validate(chunk, strict=True)


@settings(max_examples=200, deadline=None)
@given(document=shapes, noise=st.binary(max_size=20))
def test_no_shape_of_a_whole_reply_makes_the_converter_raise(document: Any, noise: bytes) -> None:
    body = {"type": "message", "content": [], **document} if isinstance(document, dict) else document
    converter = PAIR.converter(Call("req_1", "chat", {}, Facts("alias", 1)))
    converter.feed(json_text.write(body))
    answer = json.loads(converter.finish())
    if isinstance(answer, dict) and "choices" in answer:
        ChatCompletion.model_validate(answer, strict=True)
    converter.feed(noise)
    converter.finish()


roles = st.sampled_from(["system", "developer", "user", "assistant", "tool", "function"])
contents = (
    st.none()
    | st.text(max_size=3)
    | st.lists(
        st.dictionaries(
            st.sampled_from(["type", "text", "image_url", "file", "cache_control"]),
            shapes | st.just("text"),
            max_size=3,
        ),
        max_size=2,
    )
)


odd = st.integers(-2, 3) | st.booleans() | words | shapes
odd_messages = st.lists(
    st.fixed_dictionaries(
        {"role": roles, "content": contents},
        optional=dict.fromkeys(
            ("tool_calls", "function_call", "tool_call_id", "thinking_blocks", "refusal", "name", "audio"), odd
        ),
    ),
    min_size=1,
    max_size=3,
)
odd_fields = st.dictionaries(
    st.sampled_from(
        [
            *("tool_choice", "function_call", "functions", "response_format", "reasoning_effort", "user"),
            *("parallel_tool_calls", "thinking", "output_config", "logit_bias", "metadata", "safety_identifier"),
        ]
    ),
    odd,
    max_size=3,
)
odd_tools = st.just([]) | st.lists(
    st.dictionaries(st.sampled_from(["type", "function", "cache_control"]), odd), max_size=2
)


@settings(max_examples=300, deadline=None)
@given(messages=odd_messages)
def test_messages_of_any_shape_are_translated_or_refused_by_their_field(messages: list[dict[str, Any]]) -> None:
    translated_or_refused({"messages": messages})


@settings(max_examples=300, deadline=None)
@given(fields=odd_fields, tools=odd_tools)
def test_fields_of_any_shape_are_translated_or_refused_by_name(
    fields: dict[str, Any], tools: list[dict[str, Any]]
) -> None:
    translated_or_refused({"messages": [{"role": "user", "content": "hi"}], "tools": tools, **fields})


def translated_or_refused(body: dict[str, Any]) -> None:
    refused: str | None = ""
    try:
        translated = PAIR.request({"model": "m", **body})
    except InvalidField as refusal:
        refused = refusal.param
    else:
        json_text.write(translated.body)
        assert translated.body["messages"]
    assert refused is not None
