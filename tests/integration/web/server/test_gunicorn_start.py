"""How gunicorn ends when it cannot start: in one sentence, with a failure, and past a server that runs."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.web.server.conftest import StubServer
from tests.running import free_port
from tollhouse.settings import load

DEPLOYED = Path(__file__).parents[4] / "deploy" / "gunicorn.conf.py"
CONFIGURATIONS = ("python:tollhouse.web.gunicorn_config", str(DEPLOYED))


def run_gunicorn(home: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the gateway's own application until gunicorn ends by itself."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("TOLLHOUSE_", "PROMETHEUS_"))},
        "TOLLHOUSE_HOME": str(home),
        "TOLLHOUSE_WEB_PROCESSES": "4",
        **settings,
    }
    return subprocess.run(
        [sys.executable, "-m", "gunicorn", *arguments],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "gateway"
    home.mkdir()
    yield home
    folder = load({"TOLLHOUSE_HOME": str(home)}, home / ".env").metrics_folder
    for file in folder.glob("*.db"):
        file.unlink()
    if folder.exists():
        folder.rmdir()


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_a_setting_that_is_wrong_ends_the_start_in_one_sentence(home: Path, configuration: str) -> None:
    ended = run_gunicorn(home, "-c", configuration, TOLLHOUSE_PORT="abc")
    assert ended.returncode == 1
    assert ended.stderr == "tollhouse web: TOLLHOUSE_PORT must be a whole number from 1 to 65535; 'abc' is not.\n"


def test_a_port_that_is_taken_ends_the_start_in_one_sentence(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run_gunicorn(home, "-c", str(DEPLOYED), TOLLHOUSE_PORT=str(port))
    assert ended.returncode == 1
    assert ended.stderr == (
        f"tollhouse web: Port {port} of 127.0.0.1 is taken: stop what uses it, or set TOLLHOUSE_PORT to another.\n"
    )


def test_the_address_of_the_command_line_is_the_one_that_is_checked(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run_gunicorn(home, "-c", str(DEPLOYED), "-b", f"127.0.0.1:{port}", TOLLHOUSE_PORT=str(free_port()))
    assert ended.returncode == 1
    assert f"Port {port} of 127.0.0.1 is taken" in ended.stderr


def test_workers_that_cannot_start_say_so_once_and_end_the_server(home: Path) -> None:
    ended = run_gunicorn(
        home,
        "-c",
        str(DEPLOYED),
        TOLLHOUSE_PORT=str(free_port()),
        TOLLHOUSE_DATABASE_URL="nonsense",
        TOLLHOUSE_SECRET_KEY="k" * 40,
    )
    assert ended.returncode == 3
    assert ended.stderr.count("tollhouse web: TOLLHOUSE_DATABASE_URL is not a database URL") == 1
    assert "Traceback" not in ended.stderr


def test_a_start_that_comes_to_nothing_leaves_the_counts_of_a_running_server(start: Callable[..., StubServer]) -> None:
    server = start()
    counts = {file.name for file in server.metrics_folder.iterdir()}
    assert counts
    for arguments in ((), ("--check-config",)):
        run_gunicorn(server.home, "-c", str(DEPLOYED), *arguments, TOLLHOUSE_PORT=str(server.port))
        assert counts <= {file.name for file in server.metrics_folder.iterdir()}


def test_a_start_forgets_the_counts_of_a_killed_predecessor(start: Callable[..., StubServer], tmp_path: Path) -> None:
    left = load({"TOLLHOUSE_HOME": str(tmp_path / "home")}, tmp_path / ".env").metrics_folder
    left.mkdir(mode=0o700)
    (left / "counter_1.db").touch()
    server = start()
    assert server.metrics_folder == left
    assert not (left / "counter_1.db").exists()
