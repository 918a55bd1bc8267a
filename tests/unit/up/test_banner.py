import json
import shlex
import sys
from pathlib import Path

import pytest

from tollhouse.services.bootstrap import Prepared
from tollhouse.up.banner import banner, program

ADDRESS = "http://127.0.0.1:8000"


def _call(text: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith("curl ")]
    return shlex.split(line)


def test_the_first_start_shows_the_secrets_and_a_call_that_carries_the_key() -> None:
    text = banner(ADDRESS, Prepared("a@b", "smollm2-135m", "pass-word", "sk-th-abc"))
    call = _call(text)
    assert call[1] == f"{ADDRESS}/v1/chat/completions"
    assert "Authorization: Bearer sk-th-abc" in call
    assert json.loads(call[-1])["model"] == "smollm2-135m"
    assert "a@b / pass-word" in text


def test_a_later_start_shows_no_secret_and_says_how_to_get_a_key() -> None:
    text = banner(ADDRESS, Prepared("a@b", "echo"))
    assert "Authorization: Bearer $TOLLHOUSE_API_KEY" in _call(text)
    assert "tollhouse keys create --name NAME" in text
    assert "None" not in text
    assert "shown this once" not in text


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command line in an environment of its own, which is not on the shell's path."""
    folder = tmp_path / "a checkout" / ".venv" / "bin"
    folder.mkdir(parents=True)
    script = folder / "tollhouse"
    script.write_text("#!/bin/sh")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", "/bin")
    return script


def test_a_later_start_calls_the_program_as_it_can_be_called_here() -> None:
    assert "`.venv/bin/tollhouse keys create" in banner(ADDRESS, Prepared("a@b", "echo"), ".venv/bin/tollhouse")


def test_in_the_checkout_the_program_is_called_by_its_path_from_there(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(script.parents[2])
    assert program() == ".venv/bin/tollhouse"


def test_elsewhere_the_program_is_called_by_its_whole_path(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert shlex.split(program()) == [str(script)]


def test_a_program_on_the_path_is_called_by_its_name(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(script.parent))
    assert program() == "tollhouse"


def test_a_program_without_a_script_is_called_as_a_module(script: Path) -> None:
    script.unlink()
    assert shlex.split(program())[1:] == ["-m", "tollhouse"]
