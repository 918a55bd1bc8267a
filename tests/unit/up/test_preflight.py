import errno
import os
import shutil
import socket
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from tollhouse.domain.errors import InvalidSetting, Unavailable
from tollhouse.up.preflight import HomeLock, check_port, explain, make_home


def test_the_home_is_made_for_its_owner_alone_and_left_empty(tmp_path: Path) -> None:
    home = tmp_path / "a" / "b"
    make_home(home)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert [*home.iterdir()] == []
    make_home(home)


def test_a_disk_without_room_is_told_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5_500_000))
    with pytest.raises(Unavailable, match=r"has only 5 MB left: make room"):
        make_home(tmp_path)


def test_a_second_run_on_one_home_is_refused_with_the_number_of_the_first(tmp_path: Path) -> None:
    first = HomeLock(tmp_path)
    with pytest.raises(InvalidSetting, match=rf"already runs on {tmp_path} as process {os.getpid()}: stop it"):
        HomeLock(tmp_path)
    first.release()
    HomeLock(tmp_path).release()


def test_a_taken_port_is_named_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InvalidSetting, match=rf"Port {port} is taken .* TOLLHOUSE_PORT"):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "not a host", "a..b"])
def test_an_address_of_another_machine_is_named_with_its_setting(host: str) -> None:
    with pytest.raises(InvalidSetting, match="TOLLHOUSE_HOST"):
        check_port(host, 0)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "is full: make room"),
        (errno.EDQUOT, "is full: make room"),
        (errno.EROFS, "cannot be written .* TOLLHOUSE_HOME"),
        (errno.EACCES, "cannot be written .* TOLLHOUSE_HOME"),
        (errno.ENOTDIR, "cannot be written .* TOLLHOUSE_HOME"),
        (errno.EMFILE, "The machine refused something"),
    ],
)
def test_what_the_machine_refuses_is_one_sentence(number: int, words: str) -> None:
    message = explain(OSError(number, os.strerror(number)), Path("/srv/th")).message
    assert message.count("\n") == 0
    assert message.endswith(".")
    with pytest.raises(Exception, match=words):
        raise explain(OSError(number, os.strerror(number)), Path("/srv/th"))
