"""What hosts say that is no answer of the format: an error, whatever the client speaks, and never an empty 200."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.canned import CannedHost
from tests.gateway import CHAT, MESSAGES, Gateway, settings_for
from tests.media_host import MediaHost
from tollhouse.services.models.models import NewModel

HELLO = [{"role": "user", "content": "Hi"}]
USED = {"usage": {"prompt_tokens": 7, "completion_tokens": 2, "input_tokens": 7, "output_tokens": 2}}


def completion(**message: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}], **USED}


DOCUMENTS = [
    ("chat", completion(content=5)),
    ("chat", completion(content=None, tool_calls=5)),
    ("chat", completion(content=None, tool_calls=[5])),
    ("chat", completion(content=None, tool_calls=[{"id": "a", "type": "function"}])),
    ("messages", {"type": "message", "content": [5], **USED}),
    ("messages", {"type": "message", "content": [{"type": "text", "text": 5}], **USED}),
]


def refused(response: TestResponse, gateway: Gateway, caplog: pytest.LogCaptureFixture) -> Any:
    """The row of a call whose answer was none."""
    assert response.status_code == 502, response.get_data(as_text=True)
    assert "missing or wrong" in response.json["error"]["message"]
    (row,) = gateway.rows(1)
    assert (row.status, row.outcome) == (502, "upstream_invalid")
    assert "upstream_failed" in [line.getMessage() for line in caplog.records]
    return row


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize(("host", "document"), DOCUMENTS)
def test_what_is_no_conversation_is_an_error_booked_as_its_host_says(
    gateway: Gateway,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    path: str,
    host: str,
    document: dict[str, Any],
) -> None:
    CannedHost(gateway, monkeypatch, host).says(json.dumps(document).encode())
    response = gateway.post(path, {"model": "canned", "max_tokens": 64, "messages": HELLO})
    row = refused(response, gateway, caplog)
    assert (row.input_tokens, row.output_tokens, row.estimated) == (7, 2, False)


@pytest.mark.parametrize("tokens", [None, -1, "x", 10**30])
def test_what_is_no_count_of_tokens_is_an_error(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tokens: Any
) -> None:
    CannedHost(gateway, monkeypatch, "messages").says(json.dumps({"input_tokens": tokens}).encode())
    response = gateway.post("/v1/messages/count_tokens", {"model": "canned", "messages": HELLO})
    assert refused(response, gateway, caplog).cost == 0


@pytest.fixture
def host() -> Iterator[MediaHost]:
    host = MediaHost()
    yield host
    host.close()


@pytest.fixture
def media(tmp_path: Path, host: MediaHost) -> Iterator[Gateway]:
    gateway = Gateway(settings_for(tmp_path / "media"))
    gateway.services.providers.add("media", "openai", host.url, allow_private=True)
    gateway.services.models.add(NewModel("m", "media", "host-m", unit_price=10_000_000))
    gateway.services.serve().catalogue.refresh()
    yield gateway
    gateway.close()


@pytest.mark.parametrize("document", [b"{}", b'{"data":5,"results":5,"text":5}'])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/images/generations", {"prompt": "Hi"}),
        ("/v1/images/generations", {"prompt": "Hi", "stream": True}),
        ("/v1/rerank", {"query": "Hi", "documents": ["a"]}),
        ("/v1/moderations", {"input": "Hi"}),
    ],
)
def test_what_is_no_image_no_ranking_and_no_verdict_is_an_error(
    media: Gateway,
    host: MediaHost,
    caplog: pytest.LogCaptureFixture,
    path: str,
    body: dict[str, Any],
    document: bytes,
) -> None:
    host.answers[path.rpartition("/")[2]] = (200, "application/json", document)
    row = refused(media.post(path, {"model": "m", **body}), media, caplog)
    assert row.estimated or row.units == 0


@pytest.mark.parametrize("kind", ["json", "verbose_json", "text"])
@pytest.mark.parametrize("document", [b"{}", b'{"text":5}'])
def test_what_is_no_transcript_is_an_error(
    media: Gateway, host: MediaHost, caplog: pytest.LogCaptureFixture, document: bytes, kind: str
) -> None:
    host.answers["transcriptions"] = (200, "application/json", document)
    refused(upload(media, "/v1/audio/transcriptions", "file", response_format=kind), media, caplog)


@pytest.mark.parametrize("path", ["/v1/images/edits", "/v1/images/variations"])
def test_what_is_no_image_made_of_another_is_an_error(
    media: Gateway, host: MediaHost, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    host.answers[path.rpartition("/")[2]] = (200, "application/json", b"{}")
    refused(upload(media, path, "image", prompt="Hi"), media, caplog)


def upload(gateway: Gateway, path: str, file: str, **fields: str) -> TestResponse:
    parts = {f'{file}"; filename="a': "data", "model": "m", **fields}
    body = "".join(
        f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in parts.items()
    )
    return gateway.app.test_client().post(
        path,
        data=f"{body}--b--\r\n".encode(),
        content_type="multipart/form-data; boundary=b",
        headers={"authorization": f"Bearer {gateway.key}"},
    )
