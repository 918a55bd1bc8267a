import hashlib
import json
import os
from pathlib import Path

import pytest

from tollhouse.up import local_model
from tollhouse.up.local_model import CHECKED, LocalModel, genuine


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "weights"
    path.write_bytes(b"weights")
    monkeypatch.setattr(local_model, "WEIGHTS_SHA256", hashlib.sha256(b"weights").hexdigest())
    return path


def test_weights_are_read_once_and_again_when_they_change(file: Path, tmp_path: Path) -> None:
    assert genuine(file, tmp_path)
    changed_at = file.stat().st_mtime_ns
    file.write_bytes(b"WEIGHTS")
    os.utime(file, ns=(changed_at, changed_at))
    assert genuine(file, tmp_path), "same size and time: taken for the file that was checked"
    os.utime(file, ns=(changed_at, changed_at + 1))
    assert not genuine(file, tmp_path)


def test_weights_of_another_hash_are_refused_every_time(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"other")
    assert not genuine(file, tmp_path)
    assert not genuine(file, tmp_path)


@pytest.mark.parametrize("record", [b"", b"{", b"[]", json.dumps({"path": "elsewhere"}).encode()])
def test_a_damaged_record_of_the_check_means_another_check(file: Path, tmp_path: Path, record: bytes) -> None:
    (tmp_path / CHECKED).write_bytes(record)
    assert genuine(file, tmp_path)


def test_a_home_that_takes_no_record_does_not_stop_the_model(file: Path, tmp_path: Path) -> None:
    assert genuine(file, tmp_path / "missing")


def test_the_key_is_no_argument_and_stays_the_same(tmp_path: Path) -> None:
    model = LocalModel(tmp_path)
    first, second = model.part(), model.part()
    assert model.key not in " ".join(first.argv)
    assert model.key in first.env.values()
    assert first.env == second.env
    assert LocalModel(tmp_path).key != model.key
