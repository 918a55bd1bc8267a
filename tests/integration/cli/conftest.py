"""The command line in this process, on a home of its own with a real database."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.gateway import settings_for
from tollhouse.cli import program
from tollhouse.settings import Settings
from tollhouse.wiring import Services, build

MEANT_FOR_OTHERS = ("TOLLHOUSE_", "OPENAI_", "ANTHROPIC_")


class Tollhouse:
    """`tollhouse`, as a call."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.settings: Settings = settings_for(home)

    def __call__(self, *arguments: str, status: int = 0, given: str | bytes = "", **environment: str) -> Result:
        """Run a command, which must end with this status. Standard output is JSON alone where it was asked for."""
        result = CliRunner(env={"TOLLHOUSE_HOME": str(self.home), **environment}).invoke(
            program, list(arguments), input=given, prog_name="tollhouse"
        )
        assert result.exit_code == status, (arguments, result.exit_code, result.output)
        if status:
            assert "Traceback" not in result.output
        return result

    def json(self, *arguments: str, **more: Any) -> Any:
        return json.loads(self(*arguments, "--json", **more).stdout)

    def error(self, *arguments: str, status: int = 1, **more: Any) -> str:
        """The one sentence on standard error."""
        result = self(*arguments, status=status, **more)
        assert result.stdout == ""
        last = result.stderr.splitlines()[-1]
        assert last.startswith("Error: ")
        return last.removeprefix("Error: ")

    def services(self) -> Services:
        """What the commands work on. Close it."""
        return build(self.settings, "cli")


@pytest.fixture
def tollhouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tollhouse:
    for name in os.environ:
        if name.startswith(MEANT_FOR_OTHERS):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return Tollhouse(tmp_path / "home")
