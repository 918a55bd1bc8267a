"""The real model: that it answers in each format, and not what."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from tollhouse.services.bootstrap import LOCAL_CONTEXT
from tollhouse.up.local_model import LocalModel, local_model_available
from tollhouse.up.supervisor import Supervisor

pytestmark = pytest.mark.skipif(not local_model_available(), reason="the local model is not installed")
CHAT: dict[str, Any] = {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": "Say hello."}]}
ENOUGH = range(1, 9)
"""Tokens: the model may end before the cap."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalModel]:
    with Supervisor(print) as supervisor:
        model = LocalModel(tmp_path_factory.mktemp("home"))
        supervisor.start(model.part())
        yield model


def post(model: LocalModel, path: str, body: dict[str, Any], key: str | None = None) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", model.port, timeout=60)
    headers = {"content-type": "application/json", "authorization": f"Bearer {key or model.key}"}
    connection.request("POST", path, json.dumps(body), headers)
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


def test_chat_is_answered_whole(model: LocalModel) -> None:
    status, body = post(model, "/v1/chat/completions", CHAT)
    assert status == 200
    assert json.loads(body)["usage"]["completion_tokens"] in ENOUGH


def test_chat_is_answered_as_a_stream_with_its_usage(model: LocalModel) -> None:
    status, body = post(
        model, "/v1/chat/completions", {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    )
    events = [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: {")]
    assert status == 200
    assert events[-1]["usage"]["completion_tokens"] in ENOUGH
    assert body.endswith(b"data: [DONE]\n\n")


def test_messages_are_answered_whole(model: LocalModel) -> None:
    status, body = post(model, "/v1/messages", CHAT)
    assert status == 200
    assert json.loads(body)["usage"]["output_tokens"] in ENOUGH


def test_messages_are_answered_as_a_stream(model: LocalModel) -> None:
    status, body = post(model, "/v1/messages", {**CHAT, "stream": True})
    assert status == 200
    assert body.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')


def test_embeddings_stand_beside_chat(model: LocalModel) -> None:
    status, body = post(model, "/v1/embeddings", {"model": "m", "input": ["one", "two"]})
    assert status == 200
    assert [len(one["embedding"]) for one in json.loads(body)["data"]] == [576, 576]


def test_nobody_is_answered_without_the_key(model: LocalModel) -> None:
    assert post(model, "/v1/chat/completions", CHAT, key="another")[0] == 401


def test_each_call_has_the_context_that_the_catalogue_says(model: LocalModel) -> None:
    too_long = {**CHAT, "messages": [{"role": "user", "content": "a " * LOCAL_CONTEXT}]}
    status, body = post(model, "/v1/chat/completions", too_long)
    assert (status, json.loads(body)["error"]["n_ctx"]) == (400, LOCAL_CONTEXT)


def test_a_stream_has_its_first_event_even_if_the_model_wants_to_begin_with_an_emoji(model: LocalModel) -> None:
    first, *_ = json.loads(post(model, "/tokenize", {"content": "🎉"})[1])["tokens"]
    wish = {**CHAT, "stream": True, "logit_bias": [[first, 100]]}
    assert post(model, "/v1/messages", wish)[1].startswith(b"event: message_start\n")
    assert b'"role":"assistant"' in post(model, "/v1/chat/completions", wish)[1].splitlines()[0]


def test_an_answer_may_still_be_bound_to_a_schema(model: LocalModel) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
    bound = {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}}
    _, body = post(model, "/v1/chat/completions", {**CHAT, **bound, "max_tokens": 200, "temperature": 0})
    assert isinstance(json.loads(json.loads(body)["choices"][0]["message"]["content"])["a"], bool)
