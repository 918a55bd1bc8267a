import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import RedisError

from tests.servers.valkey import ValkeyServer
from tollhouse.domain.errors import InvalidSetting
from tollhouse.kv.connection import connect
from tollhouse.kv.queue import RqQueue


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[str]:
    """The URL of a server that takes connections and never answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "silent.sock"))
        listener.listen()
        yield f"unix://{tmp_path}/silent.sock"


def seconds_until_refused(url: str) -> float:
    began = time.monotonic()
    with pytest.raises(RedisError):
        connect(url).ping()
    return time.monotonic() - began


def test_a_server_that_answers_is_answered(valkey: ValkeyServer) -> None:
    assert connect(valkey.url).ping()


def test_a_server_that_is_away_is_known_to_be_at_once(tmp_path: Path) -> None:
    assert seconds_until_refused(f"unix://{tmp_path}/none.sock") < 0.1


def test_a_server_that_hangs_costs_a_quarter_of_a_second(silent: str) -> None:
    assert 0.2 < seconds_until_refused(silent) < 0.5


def test_a_queue_without_redis_says_so_and_raises_nothing(silent: str, caplog: pytest.LogCaptureFixture) -> None:
    queue = RqQueue(silent)
    assert (queue.enqueue("roll_up_usage"), queue.ping(), queue.enqueue("roll_up_usage")) == (False, False, False)
    assert [record.getMessage() for record in caplog.records] == ["redis_away"]


@pytest.mark.parametrize(
    "url",
    [
        "http://user:sesame@host",
        "redis://user:sesame@host:port/0",
        "redis://:sesame@host:6379/0?socket_timeout=x",
        "sesame",
    ],
)
def test_what_is_no_url_of_redis_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InvalidSetting, match="TOLLHOUSE_REDIS_URL must be") as refused:
        connect(url)
    assert "sesame" not in str(refused.value)
    assert refused.value.__suppress_context__
