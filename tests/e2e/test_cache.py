"""Replies that are given again, as the official SDKs see them, at the gateway as a user runs it."""

import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai as openai_errors
import pytest

from tests.counting_host import CountingHost
from tests.running import RunningGateway, wait_until

HELLO = [{"role": "user", "content": "one two three four five six seven eight"}]
KEPT = {"cache-control": "max-age=60"}


@pytest.fixture(scope="module")
def one() -> Iterator[RunningGateway]:
    """A gateway with one web process: what is asked at once is asked there."""
    with tempfile.TemporaryDirectory(prefix="tollhouse-cache-", ignore_cleanup_errors=True) as folder:
        gateway = RunningGateway(
            Path(folder) / "home", TOLLHOUSE_WEB_PROCESSES="1", TOLLHOUSE_WORKERS="0", TOLLHOUSE_LOCAL_MODEL="off"
        )
        gateway.command("providers", "add", "slow", "--format", "echo", "--base-url", "echo:?chunk_ms=150")
        prices = ("--input-price", "1", "--output-price", "2")
        gateway.command("models", "add", "slow", "--provider", "slow", "--cache-seconds", "60", *prices)
        time.sleep(1)
        yield gateway
        gateway.stop()


def add_host(gateway: RunningGateway, name: str, host: CountingHost) -> None:
    """Its model, under its own name, which is known everywhere when this returns."""
    gateway.command("providers", "add", name, "--format", "openai", "--base-url", host.url, "--allow-private")
    gateway.command("models", "add", name, "--provider", name, "--input-price", "1", "--output-price", "2")
    time.sleep(1)


def rows(gateway: RunningGateway) -> dict[str, Any]:
    return {row["model"]: row for row in gateway.json("usage")}


def saved_of(gateway: RunningGateway, model: str, requests: int) -> tuple[int, str, str]:
    row = gateway.usage(model, requests)
    return row["cached_requests"], row["cost_usd"], row["saved_usd"]


def test_openai_gets_the_same_answer_again_whole_and_streamed(one: RunningGateway) -> None:
    client = one.openai(default_headers=KEPT)
    chat: Any = client.chat.completions.with_raw_response
    first, second = (chat.create(model="echo", messages=HELLO) for _ in range(2))
    assert [answer.headers["x-tollhouse-cache"] for answer in (first, second)] == ["miss", "hit"]
    assert second.parse() == first.parse()
    streams = [chat.create(model="echo", messages=HELLO, stream=True) for _ in range(2)]
    told = [[chunk.choices[0].delta.content or "" for chunk in stream.parse()] for stream in streams]
    assert [stream.headers["x-tollhouse-cache"] for stream in streams] == ["miss", "hit"]
    assert "".join(told[0]) == HELLO[0]["content"]
    assert told[1] == told[0]
    responses: Any = client.responses.with_raw_response
    asked = [responses.create(model="echo", input="hello you", store=False) for _ in range(2)]
    assert [answer.headers["x-tollhouse-cache"] for answer in asked] == ["miss", "hit"]
    assert asked[1].parse().output_text == asked[0].parse().output_text == "hello you"


def test_anthropic_gets_the_same_message_again_whole_and_streamed(one: RunningGateway) -> None:
    client = one.anthropic(default_headers=KEPT)
    raw: Any = client.messages.with_raw_response
    first, second = (raw.create(model="echo", max_tokens=50, messages=HELLO) for _ in range(2))
    assert [answer.headers["x-tollhouse-cache"] for answer in (first, second)] == ["miss", "hit"]
    assert second.parse() == first.parse()
    texts = []
    for _ in range(2):
        with client.messages.stream(model="echo", max_tokens=50, messages=HELLO) as stream:
            texts.append((stream.response.headers["x-tollhouse-cache"], "".join(stream.text_stream)))
    assert texts == [("miss", HELLO[0]["content"]), ("hit", HELLO[0]["content"])]


def test_who_asks_while_a_stream_is_under_way_hears_it_from_its_beginning_as_it_comes(one: RunningGateway) -> None:
    before = rows(one).get("slow", {"requests": 0, "cached_requests": 0})
    heard: list[tuple[str, float, float]] = []

    def ask() -> None:
        stream = one.openai().chat.completions.create(model="slow", messages=HELLO, stream=True, seed=1)
        times = []
        text = ""
        for chunk in stream:
            text += chunk.choices[0].delta.content or ""
            times.append(time.monotonic())
        heard.append((text, times[0], times[-1]))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
        time.sleep(0.3)
    for thread in threads:
        thread.join()
    assert {text for text, _, _ in heard} == {HELLO[0]["content"]}
    assert all(last - first > 0.2 for _, first, last in heard), "not as it came"
    assert max(last for _, _, last in heard) - min(last for _, _, last in heard) < 0.3, "not one stream"
    after = one.usage("slow", before["requests"] + 3)
    assert after["cached_requests"] == before["cached_requests"] + 2


def test_when_the_first_of_them_leaves_the_others_hear_it_to_its_end(one: RunningGateway) -> None:
    before = one.usage("slow", 0)
    first, second = (
        one.openai().chat.completions.create(model="slow", messages=HELLO, stream=True, seed=2) for _ in range(2)
    )
    next(iter(first))
    first.close()
    assert "".join(chunk.choices[0].delta.content or "" for chunk in second) == HELLO[0]["content"]
    after = one.usage("slow", before["requests"] + 2)
    assert after["cached_requests"] == before["cached_requests"] + 1


def test_a_stream_that_all_have_left_ends(one: RunningGateway) -> None:
    before = one.usage("slow", 0)
    long = [{"role": "user", "content": "word " * 200}]  # 30 s of it
    streams = [one.openai().chat.completions.create(model="slow", messages=long, stream=True) for _ in range(2)]
    for stream in streams:
        next(iter(stream))
        stream.close()
    after = one.usage("slow", before["requests"] + 2)
    assert after["output_tokens"] - before["output_tokens"] < 50


def test_fifty_who_ask_the_same_at_once_make_one_upstream_call(one: RunningGateway) -> None:
    host = CountingHost(1.0)
    add_host(one, "counted", host)
    said = HELLO[0]["content"]

    def ask(_: int) -> tuple[str, str]:
        create = one.openai(default_headers=KEPT).chat.completions.with_raw_response.create
        answer = create(model="counted", messages=HELLO)
        return answer.headers["x-tollhouse-cache"], answer.text

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(ask, range(50)))
    assert host.seen[said] == 1
    assert sorted(cache for cache, _ in answers) == ["hit"] * 49 + ["miss"]
    assert len({text for _, text in answers}) == 1
    assert saved_of(one, "counted", 50) == (49, "0.000017", "0.000833")
    host.close()


def test_a_whole_answer_goes_on_for_the_others_when_the_first_leaves_before_there_is_one(one: RunningGateway) -> None:
    host = CountingHost(1.5)
    add_host(one, "patient", host)
    asked: dict[str, Any] = {"model": "patient", "messages": HELLO}
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(one.openai(default_headers=KEPT, timeout=0.7).chat.completions.create, **asked)
        time.sleep(0.3)
        second = pool.submit(one.openai(default_headers=KEPT).chat.completions.create, **asked)
        with pytest.raises(openai_errors.APITimeoutError):
            first.result()
        assert second.result().choices[0].message.content == f"You said: {HELLO[0]['content']}"
    assert host.seen[HELLO[0]["content"]] == 1
    assert saved_of(one, "patient", 2) == (1, "0.000017", "0.000017")
    host.close()


def test_redis_that_is_killed_costs_no_call(one: RunningGateway) -> None:
    client = one.openai(default_headers=KEPT)
    chat: Any = client.chat.completions.with_raw_response

    def ask() -> str:
        return str(chat.create(model="echo", messages=HELLO, seed=9).headers["x-tollhouse-cache"])

    assert [ask(), ask()] == ["miss", "hit"]
    (server,) = [id for id, command in one.children().items() if "redis.sock" in command or "valkey" in command]
    os.kill(server, signal.SIGSTOP)  # it hangs, which is worse than to be gone
    began = time.monotonic()
    assert [ask() for _ in range(20)][1:] == ["hit"] * 19
    assert time.monotonic() - began < 3
    os.kill(server, signal.SIGKILL)
    assert ask() == "hit"
    wait_until(lambda: "redis_back" in one.output(), 15)
    assert ask() in ("hit", "miss")
