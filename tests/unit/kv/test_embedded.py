from pathlib import Path

import pytest
from redis.connection import parse_url

from tollhouse.kv.embedded import embedded_redis_folder, embedded_redis_socket, embedded_redis_url


@pytest.mark.parametrize("home", ["/srv/th", "/srv/a b", "/srv/50%25#x?y=1", "/srv/ünï"])
def test_redis_py_reads_the_path_of_any_home(home: str) -> None:
    read = parse_url(embedded_redis_url(Path(home)))
    assert (read["path"], read["db"]) == (f"{home}/redis/redis.sock", 0)


def test_a_short_home_has_its_socket_in_the_folder_of_the_data() -> None:
    assert embedded_redis_socket(Path("/srv/th")).parent == embedded_redis_folder(Path("/srv/th"))


def test_a_home_too_long_for_a_socket_has_it_in_the_folder_for_temporary_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TMPDIR", "/var/tmp")
    long, other = Path("/srv/" + "a" * 120), Path("/srv/" + "b" * 120)
    assert embedded_redis_socket(long).parent.parent == Path("/var/tmp")
    assert len(bytes(embedded_redis_socket(long))) <= 100
    assert embedded_redis_socket(long) == embedded_redis_socket(long) != embedded_redis_socket(other)


def test_the_length_is_counted_in_bytes() -> None:
    assert embedded_redis_socket(Path("/" + "ü" * 60)).parent != embedded_redis_folder(Path("/" + "ü" * 60))
