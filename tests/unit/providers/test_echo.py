"""The echo provider: what it says, in the vendors' shapes, and how it fails when told to."""

import base64
import json
import struct
import time
from dataclasses import replace
from typing import Any

import pytest

from tollhouse.domain.errors import InvalidField, UpstreamGone, UpstreamRefused, UpstreamTimeout
from tollhouse.domain.ports import Exchange, Outgoing
from tollhouse.domain.routes import Host, Target
from tollhouse.providers.echo.options import EchoOptions, read_options
from tollhouse.providers.upstreams import HttpUpstreams
from tollhouse.settings import Settings

SETTINGS = replace(Settings(), first_byte_seconds=0.15, idle_seconds=0.1, total_seconds=0.3)
TALK = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "one  two\nthree"}]
WHOLE = {"model": "m", "max_tokens": 99, "messages": TALK}
STREAM = {**WHOLE, "stream": True}


def ask(spoken: str, body: Any, options: str = "", preset: str = "echo") -> Exchange:
    target = Target("m", "m", Host("prv_1", "parrot", preset, f"echo:{options}"), None)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpUpstreams(SETTINGS).open(target, Outgoing(spoken, data, {}, streamed=True))


def chunks(exchange: Exchange) -> list[bytes]:
    return list(iter(exchange.read, b""))


def whole(spoken: str, body: Any, options: str = "") -> Any:
    return json.loads(b"".join(chunks(ask(spoken, body, options))))


def chat_events(body: Any, options: str = "") -> list[Any]:
    *events, done = chunks(ask("chat", body, options))
    assert done == b"data: [DONE]\n\n"
    return [json.loads(event.removeprefix(b"data: ")) for event in events]


def message_events(body: Any, options: str = "") -> list[Any]:
    events = []
    for event in chunks(ask("messages", body, options)):
        name, data, *rest = event.decode().split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert (name, rest) == ("event: " + events[-1]["type"], ["", ""])
    return events


class TestChat:
    def test_says_the_last_user_message(self) -> None:
        reply = whole("chat", {**WHOLE, "messages": [*TALK, {"role": "assistant", "content": "not this"}]})
        choice = reply["choices"][0]
        assert choice["message"]["content"] == "one  two\nthree"
        assert choice["finish_reason"] == "stop"
        assert reply["usage"]["prompt_tokens"] == 7
        assert reply["usage"]["completion_tokens"] == 3
        assert reply["usage"]["total_tokens"] == 10

    def test_streams_a_role_a_chunk_for_each_word_and_an_end(self) -> None:
        events = chat_events(STREAM)
        deltas = [event["choices"][0]["delta"] for event in events]
        assert deltas[0]["role"] == "assistant"
        assert [delta["content"] for delta in deltas[1:-1]] == ["one", "  two", "\nthree"]
        assert events[-1]["choices"][0]["finish_reason"] == "stop"
        assert all("usage" not in event for event in events)

    def test_streams_usage_to_those_who_ask(self) -> None:
        *events, last = chat_events({**STREAM, "stream_options": {"include_usage": True}})
        assert all(event["usage"] is None for event in events)
        assert last["choices"] == []
        assert last["usage"] == whole("chat", WHOLE)["usage"]

    @pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
    def test_stops_at_the_cap(self, field: str) -> None:
        reply = whole("chat", {"model": "m", "messages": TALK, field: 2})
        assert reply["choices"][0]["message"]["content"] == "one  two"
        assert reply["choices"][0]["finish_reason"] == "length"
        assert reply["usage"]["completion_tokens"] == 2
        assert chat_events({**STREAM, "max_tokens": 2})[-1]["choices"][0]["finish_reason"] == "length"

    def test_a_cap_of_just_enough_is_no_cut(self) -> None:
        assert whole("chat", {**WHOLE, "max_tokens": 3})["choices"][0]["finish_reason"] == "stop"

    def test_gives_as_many_choices_as_are_asked_for(self) -> None:
        reply = whole("chat", {**WHOLE, "n": 3})
        assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2]
        assert reply["usage"]["completion_tokens"] == 9
        events = chat_events({**STREAM, "n": 2})
        said = {0: "", 1: ""}
        for event in events:
            said[event["choices"][0]["index"]] += event["choices"][0]["delta"].get("content") or ""
        assert said == {0: "one  two\nthree", 1: "one  two\nthree"}

    def test_reads_the_text_of_content_parts(self) -> None:
        parts = [
            {"type": "text", "text": "a b"},
            {"type": "image_url", "image_url": {}},
            {"type": "text", "text": "c"},
        ]
        reply = whole("chat", {**WHOLE, "messages": [{"role": "user", "content": parts}]})
        assert reply["choices"][0]["message"]["content"] == "a b c"

    def test_has_the_vendors_own_shape(self) -> None:
        from openai.types.chat import ChatCompletion, ChatCompletionChunk

        ChatCompletion.model_validate(whole("chat", WHOLE), strict=True)
        for event in chat_events({**STREAM, "stream_options": {"include_usage": True}}):
            ChatCompletionChunk.model_validate(event, strict=True)


class TestMessages:
    def test_says_the_last_user_message(self) -> None:
        reply = whole("messages", {**WHOLE, "messages": TALK[1:], "system": [{"type": "text", "text": "be brief"}]})
        assert reply["content"] == [{"type": "text", "text": "one  two\nthree"}]
        assert reply["stop_reason"] == "end_turn"
        assert (reply["usage"]["input_tokens"], reply["usage"]["output_tokens"]) == (5, 3)

    def test_streams_the_vendors_events(self) -> None:
        events = message_events({**STREAM, "max_tokens": 2})
        assert [event["type"] for event in events] == [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
        assert events[0]["message"]["usage"]["input_tokens"] == 5
        assert "".join(event["delta"]["text"] for event in events[3:5]) == "one  two"
        assert events[6]["delta"]["stop_reason"] == "max_tokens"
        assert events[6]["usage"]["output_tokens"] == 2

    def test_has_the_vendors_own_shape(self) -> None:
        from anthropic.types import Message, RawMessageStreamEvent
        from pydantic import TypeAdapter

        Message.model_validate(whole("messages", WHOLE), strict=True)
        known = TypeAdapter[Any](RawMessageStreamEvent)
        for event in message_events(STREAM):
            if event["type"] != "ping":
                known.validate_python(event, strict=True)


class TestEmbeddings:
    def test_are_vectors_of_length_one_that_the_text_decides(self) -> None:
        reply = whole("embeddings", {"model": "m", "input": ["a b", "c", "a b"]})
        first, second, third = [item["embedding"] for item in reply["data"]]
        assert first == third != second
        assert len(first) == 8
        assert sum(number * number for number in first) == pytest.approx(1, abs=1e-6)
        assert reply["usage"] == {"prompt_tokens": 5, "total_tokens": 5}
        assert [item["index"] for item in reply["data"]] == [0, 1, 2]

    def test_are_packed_for_those_who_ask(self) -> None:
        ask_for = {"model": "m", "input": "a", "dimensions": 3}
        plain = whole("embeddings", ask_for)["data"][0]["embedding"]
        packed = whole("embeddings", {**ask_for, "encoding_format": "base64"})["data"][0]["embedding"]
        assert list(struct.unpack("<3f", base64.b64decode(packed))) == plain

    @pytest.mark.parametrize("tokens", [[5, 6, 7], [[5, 6, 7]]])
    def test_take_tokens_for_text(self, tokens: list[Any]) -> None:
        reply = whole("embeddings", {"model": "m", "input": tokens})
        assert len(reply["data"]) == 1
        assert reply["usage"]["prompt_tokens"] == 3

    def test_have_the_vendors_own_shape(self) -> None:
        from openai.types import CreateEmbeddingResponse

        CreateEmbeddingResponse.model_validate(whole("embeddings", {"model": "m", "input": "a"}), strict=True)


@pytest.mark.parametrize("spoken", ["chat", "messages"])
@pytest.mark.parametrize("body", [WHOLE, STREAM])
def test_the_same_body_gets_the_same_bytes(spoken: str, body: Any) -> None:
    first = chunks(ask(spoken, body))
    assert first == chunks(ask(spoken, body))
    other = {**body, "messages": [{"role": "user", "content": "one  two\nthree!"}]}
    assert first[0] != chunks(ask(spoken, other))[0]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", {}, {**WHOLE, "messages": []}, {**WHOLE, "messages": [1]}, {**WHOLE, "model": 1}],
)
def test_a_body_that_cannot_be_read_is_a_vendors_error(body: Any) -> None:
    for spoken, kind in (("chat", "invalid_request_error"), ("messages", "invalid_request_error")):
        exchange = ask(spoken, body)
        assert exchange.status == 400
        assert json.loads(exchange.read())["error"]["type"] == kind
    assert ask("embeddings", body).status == 400


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": True}, {"n": 1.5}, {"max_tokens": -1}, {"max_tokens": "9"}])
def test_a_number_that_is_none_is_a_vendors_error(wrong: Any) -> None:
    assert ask("chat", {**WHOLE, **wrong}).status == 400


class TestOptions:
    def test_status_answers_with_an_error_in_the_vendors_shape(self) -> None:
        chat = ask("chat", STREAM, "?status=429&retry_after=7")
        assert (chat.status, chat.headers["retry-after"]) == (429, "7")
        assert json.loads(chat.read())["error"]["code"] == "rate_limit_exceeded"
        messages = ask("messages", STREAM, "?status=529")
        assert "retry-after" not in messages.headers
        assert json.loads(messages.read())["error"]["type"] == "overloaded_error"

    def test_words_are_said_in_place_of_what_was_said(self) -> None:
        reply = whole("chat", {**WHOLE, "max_tokens": None}, "?words=3")
        assert reply["choices"][0]["message"]["content"] == "word1 word2 word3"
        assert whole("messages", WHOLE, "?words=100")["usage"]["output_tokens"] == 99
        assert whole("chat", WHOLE, "?words=0")["usage"]["completion_tokens"] == 0

    @pytest.mark.parametrize("spoken", ["chat", "messages"])
    @pytest.mark.parametrize("after", [0, 1, 3])
    def test_cut_after_loses_the_connection_after_so_many_words(self, spoken: str, after: int) -> None:
        came = read_until_gone(ask(spoken, STREAM, f"?cut_after={after}"))
        assert words_in(came) == after
        assert bool(came) == bool(after)

    @pytest.mark.parametrize("after", [0, 1])
    def test_cut_after_cuts_a_whole_reply_in_two(self, after: int) -> None:
        came = b"".join(read_until_gone(ask("chat", WHOLE, f"?cut_after={after}")))
        reply = b"".join(chunks(ask("chat", WHOLE)))
        assert came == reply[: len(reply) // 2 * after]

    def test_a_reply_shorter_than_the_cut_comes_whole(self) -> None:
        assert chunks(ask("chat", STREAM, "?cut_after=4")) == chunks(ask("chat", STREAM))

    def test_an_error_is_said_again_when_it_is_read_past(self) -> None:
        exchange = ask("chat", STREAM, "?cut_after=0")
        for _ in range(2):
            with pytest.raises(UpstreamGone):
                exchange.read()

    def test_error_after_sends_the_vendors_error_event_and_ends(self) -> None:
        *said, error = chunks(ask("chat", STREAM, "?error_after=2"))
        assert words_in(said) == 2
        assert json.loads(error.removeprefix(b"data: "))["error"]["type"] == "server_error"
        assert message_events(STREAM, "?error_after=0")[0]["error"]["type"] == "overloaded_error"
        assert whole("chat", WHOLE, "?error_after=0")["object"] == "chat.completion"

    @pytest.mark.parametrize(
        ("options", "body", "words", "seconds"),
        [
            ("?silent_after=2", STREAM, "idle deadline", 0.1),
            ("?silent_after=2", WHOLE, "idle deadline", 0.1),
            ("?silent_after=0", STREAM, "first-byte deadline", 0.15),
            ("?delay_ms=9000", WHOLE, "first-byte deadline", 0.15),
            ("?chunk_ms=9000", STREAM, "idle deadline", 0.1),
            ("?chunk_ms=80&words=9", STREAM, "total deadline", 0.3),
        ],
    )
    def test_silence_lasts_until_a_deadline(self, options: str, body: Any, words: str, seconds: float) -> None:
        began = time.monotonic()
        with pytest.raises(UpstreamTimeout, match=words):
            chunks(ask("chat", body, options))
        assert seconds <= time.monotonic() - began < seconds + 0.2

    def test_delays_come_before_the_first_byte_and_between_words(self) -> None:
        began = time.monotonic()
        exchange = ask("chat", STREAM, "?delay_ms=60&chunk_ms=40")
        assert 0.06 <= time.monotonic() - began < 0.1
        for _ in range(2):
            exchange.read()
        assert time.monotonic() - began < 0.1
        chunks(exchange)
        assert 0.14 <= time.monotonic() - began < 0.25

    def test_the_earliest_stop_counts(self) -> None:
        assert read_options("echo:?cut_after=3&silent_after=2&error_after=5").stop == (2, "silent")
        assert read_options("echo:?words=3").stop is None

    def test_all_of_them_are_read(self) -> None:
        stops = "&cut_after=4&error_after=5&silent_after=6"
        assert read_options(f"echo:?delay_ms=1&chunk_ms=2&status=503&retry_after=3{stops}&words=7") == EchoOptions(
            1, 2, 503, 3, 4, 5, 6, 7
        )
        assert read_options("echo:") == EchoOptions()

    @pytest.mark.parametrize(
        ("query", "words"),
        [
            ("?nonsense=1", "'nonsense' is no option of echo; those are delay_ms"),
            ("?delay_ms=-1", "delay_ms of echo must be a whole number from 0"),
            ("?delay_ms=", "delay_ms of echo must be a whole number"),
            ("?delay_ms=1.5", "delay_ms of echo must be a whole number"),
            ("?delay_ms=" + "9" * 5000, "delay_ms of echo must be a whole number"),
            ("?delay_ms=\u0661", "delay_ms of echo must be a whole number"),
            ("?status=200", "status of echo must be a whole number from 400 to 599"),
            ("?words=1&words=2", "words of echo is given twice"),
            ("?words", "written echo:"),
            ("words=1", "echo: and, after a question mark"),
            ("//host?words=1", "echo: and, after a question mark"),
        ],
    )
    def test_a_wrong_one_is_named(self, query: str, words: str) -> None:
        with pytest.raises(InvalidField, match=words) as failure:
            read_options("echo:" + query)
        assert failure.value.param == "base_url"
        with pytest.raises(UpstreamRefused, match="parrot cannot be called"):
            ask("chat", WHOLE, query)


def test_an_exchange_that_was_closed_is_not_read_on() -> None:
    exchange = ask("chat", STREAM)
    exchange.read()
    exchange.close()
    exchange.close()
    with pytest.raises(UpstreamGone):
        exchange.read()


def test_any_preset_may_stand_on_echo_and_a_format_that_echo_lacks_is_refused() -> None:
    assert ask("chat", WHOLE, preset="openai").status == 200
    with pytest.raises(UpstreamRefused, match="does not speak the format responses"):
        ask("responses", WHOLE)


def test_echo_names_its_model() -> None:
    assert HttpUpstreams(SETTINGS).list_models(Host("prv_1", "parrot", "echo", "echo:")) == ("echo",)


def read_until_gone(exchange: Exchange) -> list[bytes]:
    came: list[bytes] = []
    with pytest.raises(UpstreamGone):
        came.extend(iter(exchange.read, b""))
    return came


def words_in(events: list[bytes]) -> int:
    return sum(b'"delta":{"content":' in event or b"text_delta" in event for event in events)
