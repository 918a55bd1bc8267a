"""`tollhouse up` as a whole: what it keeps, what it restarts, what it leaves behind, and how it refuses to start."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import COMMAND, RunningGateway, wait_until


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[RunningGateway]:
    """A gateway without the local model, to be ill-treated."""
    gateway = RunningGateway(tmp_path / "home", TOLLHOUSE_LOCAL_MODEL="off", TOLLHOUSE_WEB_PROCESSES="1")
    yield gateway
    gateway.stop()


def ready(gateway: RunningGateway) -> bool:
    try:
        with urllib.request.urlopen(f"{gateway.url}/readyz", timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.read() == b'{"status":"ready"}')
    except (urllib.error.URLError, OSError):
        return False


def answers(gateway: RunningGateway) -> bool:
    return "hello" in gateway.command("chat", "hello", "--model", "echo", TOLLHOUSE_API_KEY=gateway.key)


def test_a_second_start_keeps_the_data_and_shows_no_secret_again(quick: RunningGateway) -> None:
    assert answers(quick)
    assert quick.stop() == 0
    assert quick.children() == {}
    again = RunningGateway(quick.home, TOLLHOUSE_LOCAL_MODEL="off", TOLLHOUSE_WEB_PROCESSES="1")
    try:
        assert "sk-th-" not in again.output()
        again.key = quick.key
        assert answers(again)
        assert again.usage("echo", 2)["requests"] == 2
    finally:
        assert again.stop() == 0


@pytest.mark.parametrize("part", ["valkey", "gunicorn", "worker", "scheduler"])
def test_a_part_that_dies_is_named_and_started_again(quick: RunningGateway, part: str) -> None:
    victim = min(pid for pid, command in quick.children().items() if part in command)
    said = len(quick.output())
    os.kill(victim, signal.SIGKILL)
    name = {"valkey": "redis", "gunicorn": "web"}.get(part, part)
    wait_until(
        lambda: any(name in line and "started again" in line for line in quick.output()[said:].splitlines()),
        10,
        quick.output()[said:],
    )
    wait_until(lambda: ready(quick), 15)
    assert answers(quick)


def test_a_killed_web_server_answers_again_and_its_open_streams_go_on(quick: RunningGateway) -> None:
    options = "echo:?words=60&chunk_ms=100"
    quick.command("providers", "add", "slow", "--format", "echo", "--base-url", options)
    quick.command("models", "add", "slow", "--provider", "slow", "--upstream-model", "echo")
    time.sleep(1)
    stream = iter(
        quick.openai().chat.completions.create(model="slow", messages=[{"role": "user", "content": "x"}], stream=True)
    )
    next(stream)
    os.kill(min(pid for pid, command in quick.children().items() if "gunicorn" in command), signal.SIGKILL)
    wait_until(lambda: ready(quick) and answers(quick), 10)
    assert [chunk.choices[0].finish_reason for chunk in stream if chunk.choices][-1] == "stop"


def test_a_redis_url_that_is_none_ends_it_in_one_sentence(tmp_path: Path) -> None:
    said = refused(tmp_path, TOLLHOUSE_REDIS_URL="http://127.0.0.1/0")
    assert "TOLLHOUSE_REDIS_URL must be a URL such as redis://" in said


def test_nothing_stays_behind_when_the_supervisor_is_killed(quick: RunningGateway) -> None:
    assert quick.children()
    quick.process.kill()
    quick.process.wait(10)
    wait_until(lambda: not quick.children(), 10)


def refused(home: Path, **settings: str) -> str:
    """Start it where it cannot start; the one sentence that it ends with."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TOLLHOUSE_HOME": str(home),
        "TOLLHOUSE_LOCAL_MODEL": "off",
        **settings,
    }
    done = subprocess.run(
        [*COMMAND, "up"], env=environment, cwd=home.parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    (sentence,) = done.stderr.strip().splitlines()
    return sentence


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        sentence = refused(tmp_path / "home", TOLLHOUSE_PORT=port)
    assert port in sentence
    assert "TOLLHOUSE_PORT" in sentence


def test_a_damaged_database_is_one_sentence(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "tollhouse.db").write_bytes(b"this is no database, whatever else it may be\n" * 100)
    assert "damaged" in refused(home, TOLLHOUSE_PORT="18431")


def test_a_home_that_is_no_folder_is_one_sentence(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("")
    assert str(home) in refused(home, TOLLHOUSE_PORT="18432")


def test_a_setting_that_is_wrong_is_one_sentence(tmp_path: Path) -> None:
    assert "TOLLHOUSE_PORT must be" in refused(tmp_path / "home", TOLLHOUSE_PORT="eighty")


def test_another_database_without_a_secret_key_is_one_sentence(tmp_path: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    assert "TOLLHOUSE_SECRET_KEY" in refused(tmp_path / "home", TOLLHOUSE_PORT="18433", TOLLHOUSE_DATABASE_URL=url)


def test_a_second_up_on_the_same_home_is_one_sentence(quick: RunningGateway) -> None:
    assert "already" in refused(quick.home, TOLLHOUSE_PORT="18434")
