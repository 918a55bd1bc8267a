"""The real model: that it answers in each format, and not what."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tollhouse.services.bootstrap import LOCAL_CONTEXT
from tollhouse.up.local_model import LocalModel, local_model_available
from tollhouse.up.supervisor import Supervisor

pytestmark = pytest.mark.skipif(not local_model_available(), reason="the local model is not installed")
CHAT: dict[str, Any] = {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": "Say hello."}]}


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
    assert json.loads(body)["usage"]["completion_tokens"] == 8


def test_chat_is_answered_as_a_stream_with_its_usage(model: LocalModel) -> None:
    status, body = post(
        model, "/v1/chat/completions", {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    )
    events = [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: {")]
    assert status == 200
    assert events[-1]["usage"]["completion_tokens"] == 8
    assert body.endswith(b"data: [DONE]\n\n")


def test_messages_are_answered_whole(model: LocalModel) -> None:
    status, body = post(model, "/v1/messages", CHAT)
    assert status == 200
    assert json.loads(body)["usage"]["output_tokens"] == 8


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


def test_each_call_has_the_whole_context(model: LocalModel) -> None:
    fits, too_long = (
        {**CHAT, "max_tokens": 1, "messages": [{"role": "user", "content": "a " * n}]} for n in (1900, 2100)
    )
    assert post(model, "/v1/chat/completions", fits)[0] == 200
    status, body = post(model, "/v1/chat/completions", too_long)
    assert (status, json.loads(body)["error"]["n_ctx"]) == (400, LOCAL_CONTEXT)
