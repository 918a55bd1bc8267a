"""Modules stay small, and no name could hold just anything: where code has no home, its noun is missing."""

from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "tollhouse"
LONG = 300
TOO_LONG = 400
VAGUE = {"common", "handler", "handlers", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}


def modules() -> dict[str, Path]:
    return {path.relative_to(SOURCE).as_posix(): path for path in sorted(SOURCE.rglob("*.py"))}


def test_no_module_is_too_long(capsys: pytest.CaptureFixture[str]) -> None:
    written_by_hand = {name: path for name, path in modules().items() if "migrations/" not in name}
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in written_by_hand.items()}
    with capsys.disabled():
        for name, count in lines.items():
            if LONG < count <= TOO_LONG:
                print(f"\nwarning: {name} has {count} lines, more than {LONG}: which noun could leave it?")
    assert not {name: count for name, count in lines.items() if count > TOO_LONG}


def test_each_module_is_named_for_what_it_holds() -> None:
    assert not [name for name in modules() if VAGUE.intersection(name.removesuffix(".py").split("/"))]
