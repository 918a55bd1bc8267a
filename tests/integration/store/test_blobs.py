"""The port Blobs, on a folder and on a bucket."""

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.s3 import S3Server, start_s3
from tollhouse.domain.errors import ContentMissing, InvalidSetting, Unavailable
from tollhouse.domain.ports import Blobs, at_once
from tollhouse.settings import load
from tollhouse.store import s3_blobs
from tollhouse.store.local_blobs import LocalBlobs
from tollhouse.store.s3_blobs import BLOCK, PART, S3Blobs, check_installed, connect


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    server = start_s3()
    yield server
    server.stop()


@pytest.fixture(params=["folder", "bucket", "bucket with a prefix"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "folder":
        return LocalBlobs(tmp_path / "files", at_once)
    s3: S3Server = request.getfixturevalue("s3")
    return S3Blobs(s3.client, s3.bucket, "/of/gateway/" if "prefix" in request.param else "")


def write(blobs: Blobs, id: str, content: bytes, piece: int = 100_000) -> None:
    blob = blobs.create(id)
    for start in range(0, len(content), piece):
        blob.write(content[start : start + piece])
    blob.keep()
    blob.close()


def read(blobs: Blobs, id: str, start: int = 0, size: int = 1 << 30) -> bytes:
    blob = blobs.open(id)
    try:
        return blob.read(start, size)
    finally:
        blob.close()


LENGTHS = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, PART - 1, PART, PART + 1, 2 * PART + 12_345]


@pytest.mark.parametrize("length", LENGTHS)
def test_what_was_written_is_read_from_anywhere_in_it(blobs: Blobs, length: int) -> None:
    content = random.Random(length).randbytes(length)
    write(blobs, f"file-{length}", content)
    assert read(blobs, f"file-{length}") == content
    for start, size in [(0, 10), (length // 2, 100), (length - 1, 10), (length, 10), (length + 5, 10), (7, 0)]:
        if start >= 0:
            assert read(blobs, f"file-{length}", start, size) == content[start : start + size]
    blobs.delete(f"file-{length}")


def test_threads_share_what_is_open(blobs: Blobs) -> None:
    content = random.Random(1).randbytes(3 * BLOCK)
    write(blobs, "file-shared", content)
    blob = blobs.open("file-shared")
    wrong: list[int] = []

    def look(seed: int) -> None:
        chosen = random.Random(seed)
        for _ in range(200):
            start = chosen.randrange(len(content))
            size = chosen.choice([1, 1000, BLOCK + 1])
            if blob.read(start, size) != content[start : start + size]:
                wrong.append(start)

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    blob.close()
    blob.close()
    assert not wrong
    blobs.delete("file-shared")


@pytest.mark.parametrize("length", [10, 2 * PART])
def test_what_is_not_kept_leaves_nothing(blobs: Blobs, length: int) -> None:
    blob = blobs.create("file-half")
    blob.write(bytes(length))
    with pytest.raises(Unavailable):
        read(blobs, "file-half")
    blob.close()
    blob.close()
    assert list(blobs.old(-3600)) == []


def test_what_is_deleted_is_gone_and_may_be_deleted_again(blobs: Blobs) -> None:
    write(blobs, "file-gone", b"content")
    for _ in range(2):
        blobs.delete("file-gone")
    with pytest.raises(ContentMissing):
        read(blobs, "file-gone")


@pytest.mark.parametrize("length", [10, 2 * PART])
def test_what_a_crash_left_is_found_by_its_age_and_deleted(blobs: Blobs, length: int) -> None:
    left = blobs.create("file-left")
    left.write(bytes(length))
    write(blobs, "file-whole", b"content")
    assert "file-whole" not in list(blobs.old(3600))
    # What is in memory alone, a crash of a process takes with it.
    on_disk = isinstance(blobs, LocalBlobs) or length >= PART
    found = {"file-left", "file-whole"} if on_disk else {"file-whole"}
    assert set(blobs.old(-3600)) == found
    for id in found:
        blobs.delete(id)
    assert list(blobs.old(-3600)) == []
    left.close()


def no_such_bucket(s3: S3Server) -> Any:
    return S3Blobs(s3.client, "nothing-here")


def nobody_there(_: S3Server) -> Any:
    return S3Blobs(lambda: connect("http://127.0.0.1:9", "us-east-1", "who", "secret"), "files")


@pytest.mark.parametrize("made", [no_such_bucket, nobody_there])
def test_a_store_that_fails_is_told_as_one(
    s3: S3Server, made: Callable[[S3Server], Blobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_blobs, "ATTEMPTS", 1)
    blobs = made(s3)
    blob = blobs.create("file-1")
    blob.write(b"content")
    with pytest.raises(Unavailable, match="does not take"):
        blob.keep()
    blob.close()
    with pytest.raises(Unavailable, match="cannot be read") as raised:
        blobs.open("file-1")
    assert isinstance(raised.value, ContentMissing) == (made is no_such_bucket)
    with pytest.raises(Unavailable):
        list(blobs.old(1))
    blobs.delete("file-1")


def test_a_bucket_without_its_library_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed("TOLLHOUSE_FILES_URL")
    monkeypatch.setattr(s3_blobs, "find_spec", lambda name: None)
    with pytest.raises(InvalidSetting, match=r"tollhouse\[s3\]") as raised:
        check_installed("TOLLHOUSE_FILES_URL")
    assert raised.value.param == "TOLLHOUSE_FILES_URL"


@pytest.mark.parametrize("url", ["bucket", "s3://", "s3://A", "s3://bucket/with space", "https://bucket", "s3:///x"])
def test_what_is_no_bucket_is_a_wrong_setting(url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"TOLLHOUSE_FILES_URL must be a bucket"):
        load({"TOLLHOUSE_FILES_URL": url}, tmp_path / ".env")


def test_the_ledgers_archive_is_not_among_the_files(s3: S3Server, tmp_path: Path) -> None:
    """Files delete what is no file of theirs: what lies deeper is not theirs to see."""
    files, archive = S3Blobs(s3.client, s3.bucket, "one"), S3Blobs(s3.client, s3.bucket, "one/ledger")
    write(files, "file-1", b"x")
    write(archive, "ledger-1", b"x")
    assert (list(files.old(-3600)), list(archive.old(-3600))) == (["file-1"], ["ledger-1"])
    with pytest.raises(InvalidSetting, match="must not be TOLLHOUSE_FILES_URL") as raised:
        load(dict.fromkeys(("TOLLHOUSE_FILES_URL", "TOLLHOUSE_ARCHIVE_URL"), "s3://bucket/one"), tmp_path / ".env")
    assert raised.value.param == "TOLLHOUSE_ARCHIVE_URL"
