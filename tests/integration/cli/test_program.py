"""The program itself, in processes of its own: exit codes, and what is on which stream."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

COMMANDS = ["apply", "audit", "batch", "budgets", "chat", "db", "diff", "doctor", "export", "jobs", "keys", "limits"]
COMMANDS += ["models", "providers", "report", "requests", "scheduler", "schedules", "secrets", "settings", "teams"]
COMMANDS += ["up", "usage", "users", "web", "webhooks", "worker"]


def run(home: Path, *arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "tollhouse", *arguments],
        env={**kept, "HOME": str(home), "TOLLHOUSE_HOME": str(home / "home"), "LANG": "C.UTF-8"},
        cwd=home,
        text=True,
        timeout=30,
        check=False,
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},  # type: ignore[call-overload]
    )


def test_help_lists_every_command_and_imports_nothing_slow(tmp_path: Path) -> None:
    done = run(tmp_path, "--help")
    assert done.returncode == 0
    listed = [line.split()[0] for line in done.stdout.partition("Commands:\n")[2].splitlines()]
    assert listed == COMMANDS
    script = (
        "import sys; from tollhouse.cli import program; program(['--help'], standalone_mode=False); print(*sys.modules)"
    )
    imported = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert not {"sqlalchemy", "flask", "gevent", "redis", "openai", "prometheus_client"} & set(imported.stdout.split())


@pytest.mark.parametrize("arguments", [("keys", "list"), ("keys", "create", "--name", "x"), ("settings",)])
def test_with_json_standard_output_is_json_alone(tmp_path: Path, arguments: Sequence[str]) -> None:
    done = run(tmp_path, *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    json.loads(done.stdout)


def test_the_doctor_says_all_in_its_findings_and_nothing_beside_them(tmp_path: Path) -> None:
    done = run(tmp_path, "doctor", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    assert not all(finding["ok"] for finding in json.loads(done.stdout))


def test_failures_and_wrong_usage_leave_standard_output_alone(tmp_path: Path) -> None:
    failed = run(tmp_path, "keys", "revoke", "key_nope", "--json")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == "Error: There is no key 'key_nope'; `tollhouse keys list` shows them.\n"
    wrong = run(tmp_path, "keys", "revoke")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    steering = run(tmp_path, "keys", "list", "\x1b[2J")
    assert steering.returncode == 2
    assert "\x1b" not in steering.stderr
    unknown = run(tmp_path, "nope")
    assert (unknown.returncode, unknown.stdout) == (2, "")


def test_a_closed_pipe_is_no_error_to_speak_of(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = run(tmp_path, "settings", stdout=writing)
    finally:
        os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(tmp_path, "settings", stdout=full)
    assert done.returncode == 1
    assert done.stderr == "Error: The output cannot be written (No space left on device): send it somewhere else.\n"


def test_two_first_commands_at_once_both_work(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tollhouse", "keys", "create", "--name", "x"]
    environment = {**os.environ, "TOLLHOUSE_HOME": str(tmp_path / "home")}
    both = [
        subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(2)
    ]
    said = [one.communicate(timeout=30)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert len(json.loads(run(tmp_path, "keys", "list", "--json").stdout)) == 2
