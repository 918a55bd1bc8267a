"""The whole of `up`, with a stand-in for the gateway's own commands: real Redis, real database, real signals."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

GATEWAY = """
import os, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
    def log_message(self, *_): pass
print("pid", sys.argv[1], os.getpid(), flush=True)
if sys.argv[1] == os.environ.get("BROKEN"):
    sys.exit(9)
if sys.argv[1] == "web":
    HTTPServer((os.environ["TOLLHOUSE_HOST"], int(os.environ["TOLLHOUSE_PORT"])), Ready).serve_forever()
time.sleep(60)
"""
UP = """
import sys
from tollhouse import settings
from tollhouse.up import run
run.COMMAND = (sys.executable, "-c", sys.argv[1])
sys.exit(run.run(settings.load()))
"""


class Up:
    def __init__(self, home: Path, port: int, **environ: str) -> None:
        self.port = port
        self.lines: list[str] = []
        env = {"PATH": os.environ["PATH"], "TOLLHOUSE_HOME": str(home), "TOLLHOUSE_PORT": str(port), **environ}
        self.process = subprocess.Popen(
            [sys.executable, "-c", UP, GATEWAY],
            env={"TOLLHOUSE_LOCAL_MODEL": "off", **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def read_until(self, words: str) -> str:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)
            if words in line:
                return "".join(self.lines)
        raise AssertionError(f"{words!r} was not said: {self.lines} {self.process.communicate()[1]}")

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, "".join(self.lines) + out, err

    def stop(self) -> tuple[int, str, str]:
        self.process.send_signal(signal.SIGINT)
        return self.end()


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_a_first_start_shows_all_a_second_keeps_the_data_and_ctrl_c_ends_both(tmp_path: Path, port: int) -> None:
    first = Up(tmp_path / "home", port)
    said = first.read_until("Ctrl-C stops everything")
    assert f"http://127.0.0.1:{port}/v1/chat/completions" in said
    assert re.search(r"API key +sk-th-\S+ ", said)
    assert re.search(r"Admin +admin@localhost / \S{12,}", said)
    assert "built-in model is `echo`" in said
    status, _, err = first.stop()
    assert (status, err) == (0, "")

    second = Up(tmp_path / "home", port)
    said = second.read_until("Ctrl-C stops everything")
    assert "tollhouse keys create --name NAME" in said
    assert "sk-th-" not in said
    web = int(re.findall(r"pid web (\d+)", said)[0])
    os.kill(web, signal.SIGKILL)
    assert "web was killed by SIGKILL; it is started again in 0.2 s." in second.read_until("web was")
    again = int(re.findall(r"pid web (\d+)", second.read_until("pid web"))[-1])
    assert again != web

    other = Up(tmp_path / "home", port)
    assert other.end() == (
        1,
        "",
        f"`tollhouse up` already runs on {tmp_path / 'home'} as process {second.process.pid}: stop it first, or set "
        "TOLLHOUSE_HOME to another folder.\n",
    )
    status, said, err = second.stop()
    assert (status, err) == (0, "")
    for pid in re.findall(r"pid \w+ (\d+)", said):
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = int(other.getsockname()[1])
        status, out, err = Up(tmp_path, number).end()
    assert (status, out) == (1, "")
    assert err == f"Port {number} is taken by another program: stop that, or set TOLLHOUSE_PORT to a free one.\n"


def test_a_home_that_is_a_file_is_one_sentence(tmp_path: Path, port: int) -> None:
    (tmp_path / "home").write_text("")
    status, out, err = Up(tmp_path / "home", port).end()
    assert (status, out) == (1, "")
    assert re.fullmatch(r".*/home cannot be written \(.*\): make it writable, or set TOLLHOUSE_HOME .*\.\n", err)


def test_a_damaged_database_is_one_sentence_and_stops_what_was_started(tmp_path: Path, port: int) -> None:
    (tmp_path / "tollhouse.db").write_bytes(b"no database at all" * 1000)
    up = Up(tmp_path, port)
    status, out, err = up.end()
    assert status == 1
    assert err.count("\n") == 1
    assert "is damaged" in err
    assert "redis" in out
    assert not (tmp_path / "redis" / "redis.sock").exists()


def test_a_redis_of_ones_own_means_that_none_is_started(tmp_path: Path, port: int) -> None:
    up = Up(tmp_path, port, TOLLHOUSE_REDIS_URL="redis://127.0.0.1:1/0")
    up.read_until("Ctrl-C stops everything")
    assert up.stop()[0] == 0
    assert not (tmp_path / "redis").exists()


def test_a_reader_that_left_does_not_stop_it(tmp_path: Path, port: int) -> None:
    up = Up(tmp_path, port, TOLLHOUSE_REDIS_URL="redis://127.0.0.1:1/0")
    up.read_until("Tollhouse starts")
    assert up.process.stdout
    up.process.stdout.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(20) == 0
    assert up.process.stderr
    up.process.stderr.close()


def test_a_first_start_that_fails_late_still_shows_what_is_shown_once(tmp_path: Path, port: int) -> None:
    status, out, err = Up(tmp_path, port, TOLLHOUSE_REDIS_URL="redis://127.0.0.1:1/0", BROKEN="web").end()
    assert status == 1
    assert err.startswith("web ended with exit status 9 before it was ready")
    assert err.count("\n") == 1
    assert "sk-th-" in out
    assert "admin@localhost / " in out
    assert "Tollhouse runs at" not in out
