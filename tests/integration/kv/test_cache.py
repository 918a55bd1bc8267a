"""Replies that processes share, on a server that may be flushed, full, stopped or killed."""

import time
from collections.abc import Iterator

import pytest
from redis import Redis

from tests.running import free_port, wait_until
from tests.servers.valkey import ValkeyServer
from tollhouse.kv import cache
from tollhouse.kv.cache import RedisCache
from tollhouse.kv.local_cache import LocalCache


@pytest.fixture
def replies(valkey: ValkeyServer) -> Iterator[RedisCache]:
    valkey.flush()
    replies = RedisCache(valkey.url, 10_000)
    yield replies
    replies.close()


def test_what_one_process_keeps_another_finds(replies: RedisCache, valkey: ValkeyServer) -> None:
    replies.put("a", b"\x00said", 60)
    other = RedisCache(valkey.url, 10_000)
    assert other.get("a") == b"\x00said"
    assert other.get("b") is None
    other.close()


def test_it_is_kept_for_its_time_and_all_together_within_the_bound(replies: RedisCache, valkey: ValkeyServer) -> None:
    replies.put("short", b"x" * 100, 1)
    for number in range(40):
        replies.put(f"n{number}", b"x" * 600, 60 + number)
    assert replies.get("n0") is None
    assert replies.get("n39") == b"x" * 600
    with Redis.from_url(valkey.url) as redis:
        kept = redis.keys("tollhouse:{replies}:n*")
        assert 8 <= len(kept) <= 10
        assert 8_000 <= int(redis.get("tollhouse:{replies}:sum") or 0) <= 10_000
    replies.put("short", b"y", 1)
    assert replies.get("short") == b"y"
    time.sleep(1.1)
    assert replies.get("short") is None


def test_a_flush_costs_no_more_than_what_was_kept(replies: RedisCache, valkey: ValkeyServer) -> None:
    replies.put("a", b"one", 60)
    valkey.flush()
    assert replies.get("a") is None
    replies.put("a", b"two", 60)
    assert replies.get("a") == b"two"


def test_without_the_server_each_process_keeps_its_own_and_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "RETRY_SECONDS", 0.05)
    replies = RedisCache(f"redis://127.0.0.1:{free_port()}/0", 10_000)
    replies.put("a", b"mine", 60)
    began = time.monotonic()
    for _ in range(100):
        assert replies.get("a") == b"mine"
    assert time.monotonic() - began < 0.25
    replies.close()


def test_it_is_used_again_when_it_is_back(valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "RETRY_SECONDS", 0.05)
    valkey.flush()
    replies = RedisCache(valkey.url, 10_000)
    replies.put("shared", b"theirs", 60)
    pool = replies._redis.connection_pool
    there = pool.connection_kwargs["path"]
    pool.connection_kwargs["path"] = f"{there}.gone"
    pool.disconnect()
    for connection in [*pool._available_connections]:
        connection.path = f"{there}.gone"
    assert replies.get("shared") is None
    pool.connection_kwargs["path"] = there
    for connection in [*pool._available_connections]:
        connection.path = there
    wait_until(lambda: replies.get("shared") == b"theirs", 2)
    replies.close()


def test_in_memory_the_oldest_makes_room() -> None:
    local = LocalCache(1000)
    local.put("a", b"x" * 200, 60)
    local.put("b", b"x" * 200, 60)
    assert local.get("a")
    local.put("c", b"x" * 200, 60)
    assert (local.get("b"), bool(local.get("a")), bool(local.get("c"))) == (None, True, True)
    local.put("d", b"x" * 2000, 60)
    assert local.get("d") is None
    local.put("e", b"gone", 0)
    assert local.get("e") is None


@pytest.mark.parametrize("kind", ["redis", "local"])
def test_records_are_kept_one_behind_the_other_and_the_oldest_make_room(valkey: ValkeyServer, kind: str) -> None:
    valkey.flush()
    kept = RedisCache(valkey.url, 10_000) if kind == "redis" else LocalCache(10_000)
    for record in (b"\x00a", b"bb", b"cc", b"dd"):
        kept.append("records", record, 60, 3)
    assert kept.get("records") == b"bbccdd"
    kept.append("records", b"longer", 60, 3)
    assert kept.get("records") == b"bbccddlonger"
    kept.append("records", b"other", 60, 3)
    assert kept.get("records") == b"other", "what was there is not made of such"
    kept.close()


def test_what_is_appended_counts_within_the_bound(replies: RedisCache, valkey: ValkeyServer) -> None:
    for _ in range(5):
        replies.append("records", b"x" * 100, 60, 100)
    with Redis.from_url(valkey.url) as redis:
        assert int(redis.get("tollhouse:{replies}:sum") or 0) == 500 + 400
        assert 0 < redis.ttl("tollhouse:{replies}:records") <= 60


def test_records_are_kept_here_while_the_server_is_away() -> None:
    replies = RedisCache(f"redis://127.0.0.1:{free_port()}/0", 10_000)
    for record in (b"a", b"b"):
        replies.append("records", record, 60, 10)
    assert replies.get("records") == b"ab"
    replies.close()
