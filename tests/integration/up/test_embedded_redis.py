"""The real server, in homes as people have them."""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tollhouse.domain.errors import InvalidSetting
from tollhouse.kv.embedded import embedded_redis_socket, embedded_redis_url
from tollhouse.up.embedded_redis import answers, redis_part
from tollhouse.up.supervisor import Supervisor


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor(print) as one:
        yield one


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, servers_folder: Path) -> Path:
    monkeypatch.setenv("TMPDIR", str(servers_folder))
    return tmp_path


def client(home: Path) -> "redis.Redis":
    return redis.Redis.from_url(embedded_redis_url(home), socket_timeout=2)


@pytest.mark.parametrize("name", ["home", "with space # and 50%", "l" * 120])
def test_it_serves_a_home_of_any_name_on_a_socket_alone(supervisor: Supervisor, home: Path, name: str) -> None:
    place = home / name
    supervisor.start(redis_part(place))
    with client(place) as connection:
        wanted = {"appendonly": "yes", "save": "", "maxmemory-policy": "noeviction", "port": "0"}
        assert connection.config_get(*wanted) == wanted
    for folder in (place / "redis", embedded_redis_socket(place).parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_it_holds_survives_its_death(supervisor: Supervisor, home: Path) -> None:
    part = redis_part(home)
    supervisor.start(part)
    with client(home) as connection:
        connection.set("a", "1")
    assert part.pid
    os.kill(part.pid, signal.SIGKILL)
    supervisor.stop()
    assert embedded_redis_socket(home).exists(), "a killed server leaves its socket"
    supervisor.start(redis_part(home))
    with client(home) as connection:
        assert connection.get("a") == b"1"


def test_it_is_started_again_on_the_socket_that_its_death_left(supervisor: Supervisor, home: Path) -> None:
    part = redis_part(home)
    supervisor.start(part)
    assert part.pid
    os.kill(part.pid, signal.SIGKILL)
    while part.running:
        pass
    assert part.death() == "was killed by SIGKILL"
    supervisor.start(part)
    assert answers(embedded_redis_socket(home))


def test_a_folder_for_the_socket_that_others_may_enter_is_refused(home: Path) -> None:
    place = home / ("l" * 120)
    folder = embedded_redis_socket(place).parent
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(InvalidSetting, match=f"{folder} is not yours alone"):
        redis_part(place)
    folder.chmod(0o700)


def test_nothing_answers_where_no_server_is(home: Path) -> None:
    assert not answers(home / "none.sock")
