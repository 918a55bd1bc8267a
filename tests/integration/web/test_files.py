"""Files: kept as they came, for their team alone, until their time is over."""

import errno
import io
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from werkzeug.test import TestResponse

from tests.gateway import Gateway, settings_for
from tollhouse.domain.errors import OutOfSpace
from tollhouse.services.batches.files import ORPHAN_SECONDS
from tollhouse.store import local_blobs
from tollhouse.store.records import FileRecord

FILES = "/v1/files"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    gateway = Gateway(settings_for(tmp_path / "home", max_file_bytes=400_000))
    yield gateway
    gateway.close()


def upload(gateway: Gateway, content: bytes = b'{"a": 1}\n', name: str = "calls.jsonl", **fields: Any) -> TestResponse:
    form = {"purpose": "batch", "file": (io.BytesIO(content), name), **fields}
    data = {field: value for field, value in form.items() if value is not None}
    headers = {"authorization": f"Bearer {gateway.key}"}
    return gateway.app.test_client().post(FILES, data=data, headers=headers, content_type="multipart/form-data")


def delete(gateway: Gateway, id: str, key: str | None = None) -> TestResponse:
    headers = {"authorization": f"Bearer {key or gateway.key}"}
    return gateway.app.test_client().delete(f"{FILES}/{id}", headers=headers)


def on_disk(gateway: Gateway) -> list[str]:
    folder = gateway.settings.home / "files"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_file_is_kept_as_it_came_and_only_its_owner_may_read_it_on_the_disk(gateway: Gateway) -> None:
    content = os.urandom(400_000)
    file = upload(gateway, content).json
    assert (file["object"], file["bytes"], file["filename"]) == ("file", len(content), "calls.jsonl")
    assert file["expires_at"] - file["created_at"] == 30 * 86400
    assert gateway.get(f"{FILES}/{file['id']}").json == file
    got = gateway.get(f"{FILES}/{file['id']}/content")
    assert got.get_data() == content
    assert got.headers["content-length"] == str(len(content))
    path = gateway.settings.home / "files" / file["id"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert delete(gateway, file["id"]).json == {"id": file["id"], "object": "file", "deleted": True}
    assert gateway.get(f"{FILES}/{file['id']}").status_code == 404
    assert gateway.get(f"{FILES}/{file['id']}/content").status_code == 404
    assert delete(gateway, file["id"]).status_code == 404
    assert on_disk(gateway) == []


def test_its_name_is_kept_and_leads_nowhere(gateway: Gateway) -> None:
    file = upload(gateway, name="../../etc/passwd").json
    assert file["filename"] == "../../etc/passwd"
    assert on_disk(gateway) == [file["id"]]


def test_it_is_kept_as_long_as_is_said(gateway: Gateway) -> None:
    given = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    file = upload(gateway, **given).json
    assert file["expires_at"] - file["created_at"] == 3600
    assert upload(gateway, purpose="user_data").json["expires_at"] is None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"purpose": None}, "purpose"),
        ({"purpose": "batch_output"}, "purpose"),
        ({"file": None}, "file"),
        ({"file": "not a file"}, "file"),
        ({"file": [(io.BytesIO(b"a"), "a"), (io.BytesIO(b"b"), "b")]}, "file"),
        ({"file": (io.BytesIO(b"a"), "a\x00b")}, "file"),
        ({"expires_after[seconds]": "3600"}, "expires_after[anchor]"),
        ({"expires_after[anchor]": "created_at"}, "expires_after[seconds]"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "60"}, "expires_after[seconds]"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "1e9"}, "expires_after[seconds]"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_kept(gateway: Gateway, fields: dict[str, Any], param: str) -> None:
    refused = upload(gateway, **fields)
    assert (refused.status_code, refused.json["error"]["param"]) == (400, param)
    assert gateway.get(FILES).json["data"] == []
    assert on_disk(gateway) == []


def test_one_that_is_too_long_is_refused_and_nothing_is_kept(gateway: Gateway) -> None:
    assert upload(gateway, b"x" * 400_000).status_code == 200
    kept = on_disk(gateway)
    for size in (400_001, 470_000):
        assert upload(gateway, b"x" * size).status_code == 413
    assert on_disk(gateway) == kept


def test_a_full_disk_is_507_and_nothing_is_half_written(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def full(file: int, data: bytes) -> int:
        if os.fstat(file).st_size > 100_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data)

    monkeypatch.setattr(local_blobs.os, "write", full)
    refused = upload(gateway, b"x" * 300_000)
    assert (refused.status_code, refused.json["error"]["code"]) == (507, OutOfSpace.code)
    assert refused.headers["x-should-retry"] == "false"
    monkeypatch.undo()
    assert on_disk(gateway) == []
    assert gateway.get(FILES).json["data"] == []


def test_an_upload_that_breaks_off_leaves_nothing(gateway: Gateway) -> None:
    whole = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"x" * 300_000
    for body in (whole, whole + b"\r\n--b\r\n"):
        response = gateway.post(FILES, body, headers={"content-type": "multipart/form-data; boundary=b"})
        assert response.status_code == 400
    assert on_disk(gateway) == []


def test_another_team_finds_none_of_it(gateway: Gateway) -> None:
    file = upload(gateway).json
    team = gateway.services.teams.create("others")
    other = gateway.services.keys.create("other", team_id=team.id).key
    for path in (FILES + f"/{file['id']}", FILES + f"/{file['id']}/content"):
        assert gateway.get(path, authorization=f"Bearer {other}").status_code == 404
    assert delete(gateway, file["id"], other).status_code == 404
    assert gateway.get(FILES, authorization=f"Bearer {other}").json["data"] == []
    assert gateway.get(f"{FILES}?after={file['id']}", authorization=f"Bearer {other}").status_code == 400
    assert gateway.get(f"{FILES}/{file['id']}").status_code == 200


def test_a_list_has_pages_and_purposes(gateway: Gateway) -> None:
    ids = [upload(gateway, purpose=purpose).json["id"] for purpose in ("batch", "user_data", "batch", "batch")]
    ids = [one["id"] for one in gateway.get(f"{FILES}?order=asc").json["data"]]
    first = gateway.get(f"{FILES}?order=asc&limit=2").json
    assert ([one["id"] for one in first["data"]], first["has_more"]) == (ids[:2], True)
    rest = gateway.get(f"{FILES}?order=asc&after={first['last_id']}").json
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (ids[2:], False)
    assert [one["id"] for one in gateway.get(FILES).json["data"]] == ids[::-1]
    assert len(gateway.get(f"{FILES}?purpose=batch").json["data"]) == 3
    assert gateway.get(f"{FILES}?purpose=vision").json["data"] == []
    for query in ("limit=0", "limit=10001", "order=up", "after=file-none", "after=%00", "purpose=%00"):
        assert gateway.get(f"{FILES}?{query}").status_code == 400, query
    assert gateway.get(f"{FILES}/%00").status_code == 404


def test_one_whose_time_is_over_is_gone_at_once_and_then_deleted(gateway: Gateway) -> None:
    old, young = upload(gateway).json["id"], upload(gateway).json["id"]
    with gateway.services.database.write() as session:
        past = FileRecord.created_at
        session.execute(update(FileRecord).where(FileRecord.id == old).values(expires_at=past))
    assert gateway.get(f"{FILES}/{old}").status_code == 404
    assert [one["id"] for one in gateway.get(FILES).json["data"]] == [young]
    assert gateway.services.files.expire() == 1
    assert on_disk(gateway) == [young]


def test_content_that_a_crash_left_is_deleted_a_day_later(gateway: Gateway) -> None:
    kept = upload(gateway).json["id"]
    folder = gateway.settings.home / "files"
    for name in ("file-orphan", "file-half.part", "file-young.part"):
        (folder / name).write_bytes(b"x")
    past = (folder / kept).stat().st_mtime - timedelta(seconds=ORPHAN_SECONDS + 60).total_seconds()
    for name in (kept, "file-orphan", "file-half.part"):
        os.utime(folder / name, (past, past))
    assert gateway.services.files.expire() == 0
    assert on_disk(gateway) == [kept, "file-young.part"]
