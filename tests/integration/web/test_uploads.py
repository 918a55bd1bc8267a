"""Uploads: what is refused names its field and costs nothing; what is taken is sent on as it was checked."""

import errno
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import create_environ, run_wsgi_app
from werkzeug.wrappers import Response

from tests.gateway import Gateway, settings_for
from tests.ledgers import open_holds
from tests.media_host import MediaHost, file_of
from tollhouse.domain.errors import OutOfSpace
from tollhouse.services.models.models import NewModel
from tollhouse.web.inference.spool import SMALL, UploadSpool

TRANSCRIPTIONS = "/v1/audio/transcriptions"
EDITS = "/v1/images/edits"
FORM = "multipart/form-data; boundary=b"
FILE = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.mp3"\r\n\r\nsound\r\n'
MODEL = b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n'
END = b"--b--\r\n"


def field(name: str, value: bytes) -> bytes:
    return b'--b\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name.encode(), value)


@pytest.fixture
def host() -> Iterator[MediaHost]:
    host = MediaHost()
    yield host
    host.close()


@pytest.fixture
def gateway(tmp_path: Path, host: MediaHost) -> Iterator[Gateway]:
    gateway = Gateway(settings_for(tmp_path / "home", max_upload_bytes=2_000_000))
    gateway.services.providers.add("media", "openai", host.url, allow_private=True)
    gateway.services.models.add(NewModel("m", "media", "host-m", unit_price=10_000_000))
    gateway.services.serve().catalogue.refresh()
    yield gateway
    gateway.close()


def post(gateway: Gateway, body: bytes, path: str = TRANSCRIPTIONS, kind: str = FORM, **environ: Any) -> Response:
    """Past Werkzeug's client, which would mend what is wrong with an upload."""
    given = create_environ(path, method="POST", input_stream=io.BytesIO(body), content_type=kind)
    given |= {"CONTENT_LENGTH": str(len(body)), "HTTP_AUTHORIZATION": f"Bearer {gateway.key}"}
    chunks, status, headers = run_wsgi_app(gateway.app, given | environ, buffered=True)
    return Response(chunks, status, headers)


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (FILE + END, "model", "required"),
        (MODEL + END, "file", "required"),
        (MODEL + field("file", b"text") + END, "file", "object"),
        (FILE + FILE.replace(b'"file"', b'"model"') + END, "model", "string"),
        (FILE + MODEL + MODEL + END, "model", "string"),
        (FILE + FILE + MODEL + END, "file", ""),
        (FILE + MODEL + field("stream", b"perhaps") + END, "stream", ""),
        (FILE + MODEL + field("temperature", b"hot") + END, "temperature", ""),
        (FILE + field("model", b"") + END, "model", ""),
        (FILE + field("model", b"\xff") + END, "model", "UTF-8"),
        (FILE + MODEL + field("prompt", b"x" * 300_000) + END, "prompt", ""),
        (FILE.replace(b"a.mp3", b"a" * 501) + MODEL + END, "file", "file name"),
        (
            FILE.replace(b"\r\n\r\n", b"\r\ncontent-transfer-encoding: base64\r\n\r\n", 1) + MODEL + END,
            "file",
            "encoding",
        ),
        (FILE + MODEL, None, "last boundary"),
        (FILE[:-9], None, "last boundary"),
        (b"", None, "last boundary"),
        (END, "model", "required"),
        (b"--other\r\n" + FILE[5:], None, "last boundary"),
        (b"x" * 200_000, None, "boundary"),
        (b"--b\r\n" + b"x-y: z\r\n" * 20_000, None, "boundary"),
        (b"--b\r\nx-y: z\r\n\r\nvalue\r\n" + END, None, "headers"),
        (b'--b\r\ncontent-disposition: form-data; filename="a"\r\n\r\nvalue\r\n' + END, None, "name"),
        (field("n" * 501, b"1") + END, None, "name"),
        (b"--b\r\ncontent-disposition: form-data; name=\xff\r\n\r\nvalue\r\n" + END, None, "headers"),
        (field("a", b"") * 129 + END, None, "128 parts"),
    ],
)
def test_a_bad_upload_is_refused_by_name_and_costs_nothing(
    gateway: Gateway, host: MediaHost, body: bytes, param: str | None, words: str
) -> None:
    response = post(gateway, body)
    assert response.status_code == 400
    error = response.get_json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert words in error["message"]
    assert (host.asked, gateway.rows(0), open_holds(gateway.services.database)) == ([], [], [])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        (field("prompt", b"x"), "image"),
        (field("image", b"text") + field("prompt", b"x"), "image"),
        (FILE.replace(b'"file"', b'"image"'), "prompt"),
        (FILE.replace(b'"file"', b'"image"') + field("prompt", b"x") + field("n", b"0"), "n"),
        (FILE.replace(b'"file"', b'"image"') + field("prompt", b"x") + field("n", b"many"), "n"),
        (FILE.replace(b'"file"', b'"image"') + field("prompt", b"x") + field("mask", b"text"), "mask"),
    ],
)
def test_a_bad_edit_is_refused_by_name(gateway: Gateway, fields: bytes, param: str) -> None:
    response = post(gateway, MODEL + fields + END, EDITS)
    assert (response.status_code, response.get_json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("kind", ["application/json", "", "application/x-www-form-urlencoded"])
def test_what_is_no_upload_is_told_to_be_one(gateway: Gateway, kind: str) -> None:
    response = post(gateway, b'{"model": "m"}', kind=kind)
    assert response.status_code == 400
    assert "multipart/form-data" in response.get_json()["error"]["message"]


def test_an_upload_without_a_boundary_is_told_so(gateway: Gateway) -> None:
    response = post(gateway, FILE + MODEL + END, kind="multipart/form-data")
    assert response.status_code == 400
    assert "boundary" in response.get_json()["error"]["message"]


def test_an_upload_that_says_that_it_is_too_long_is_not_read(gateway: Gateway) -> None:
    class Unread:
        def read(self, size: int) -> bytes:
            raise AssertionError("it was read")

    response = post(gateway, b"", **{"CONTENT_LENGTH": "2000001", "wsgi.input": Unread()})
    assert response.status_code == 413


def test_an_upload_of_no_said_length_is_read_until_it_is_too_long(gateway: Gateway, host: MediaHost) -> None:
    chunked = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    assert post(gateway, FILE + MODEL + END, **chunked).status_code == 200
    assert post(gateway, FILE[:-2] + bytes(2_000_000) + b"\r\n" + MODEL + END, **chunked).status_code == 413
    assert len(host.asked) == 1


def test_an_upload_that_ends_before_its_length_costs_nothing(gateway: Gateway, host: MediaHost) -> None:
    response = post(gateway, FILE + MODEL, CONTENT_LENGTH="5000")
    assert response.status_code == 400
    assert (host.asked, gateway.rows(0)) == ([], [])


@pytest.mark.parametrize("size", [0, 5, SMALL * 3])
def test_an_upload_is_sent_on_as_it_was_checked(gateway: Gateway, host: MediaHost, size: int) -> None:
    sound = bytes(range(256)) * (size // 256 + 1)
    file = FILE.replace(b"sound", sound).replace(b"\r\n\r\n", b"\r\nContent-Type: audio/mpeg\r\nX-Odd: 1\r\n\r\n", 1)
    before, after = field("zeta", b"1") + field("include[]", b"a"), field("include[]", "é".encode())
    assert post(gateway, before + MODEL + file + after + END + b"more").status_code == 200
    (asked,) = host.asked
    assert asked.body == {"zeta": "1", "include[]": ["a", "é"], "model": "host-m"}
    assert asked.files == {"file": file_of("a.mp3", "audio/mpeg", sound)}
    gateway.rows(1)


def test_an_upload_that_one_host_refuses_goes_to_the_next_as_it_was(gateway: Gateway, host: MediaHost) -> None:
    gateway.services.models.add(NewModel("first", "media", "host-1", unit_price=1, fallbacks=["m"]))
    gateway.services.serve().catalogue.refresh()
    host.refuse = lambda: len(host.asked) == 1
    sound = bytes(SMALL * 2)
    response = post(gateway, FILE.replace(b"sound", sound) + field("model", b"first") + END)
    assert (response.status_code, response.headers["x-tollhouse-attempts"]) == (200, "2")
    assert [asked.body["model"] for asked in host.asked] == ["host-1", "host-m"]
    assert host.asked[0].files == host.asked[1].files == {"file": file_of("a.mp3", "", sound)} | host.asked[0].files
    (row,) = gateway.rows(1)
    assert (row.attempts, row.units, row.cost) == (2, 9000, 90_000_000)


def test_a_full_disk_refuses_an_upload_and_holds_nothing(
    gateway: Gateway, host: MediaHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    response = post(gateway, FILE.replace(b"sound", bytes(SMALL * 2)) + MODEL + END)
    assert (response.status_code, response.headers["x-should-retry"]) == (507, "false")
    assert response.get_json()["error"]["code"] == "out_of_space"
    assert (host.asked, gateway.rows(0), open_holds(gateway.services.database)) == ([], [], [])
    assert post(gateway, FILE + MODEL + END).status_code == 200  # a small one needs no disk


def test_a_spool_that_cannot_be_read_again_says_so(tmp_path: Path) -> None:
    spool = UploadSpool(tmp_path)
    spool.write(b"abc")
    assert spool.read(1, 2) == b"bc"
    with pytest.raises(OutOfSpace):
        spool.read(1, 3)
    spool.close()


def test_a_host_that_answers_with_another_kind_of_content_is_an_error(gateway: Gateway, host: MediaHost) -> None:
    host.answers["transcriptions"] = (200, "text/html", b"<html>")
    response = post(gateway, FILE + MODEL + END)
    assert (response.status_code, response.get_json()["error"]["code"]) == (502, "upstream_invalid")
    (row,) = gateway.rows(1)
    assert (row.outcome, row.estimated, row.units) == ("upstream_invalid", True, 3)
