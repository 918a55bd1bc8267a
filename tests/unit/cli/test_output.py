import json
import os
from datetime import datetime, timedelta, timezone

import pytest

from tollhouse.cli import output


class Terminal:
    """Standard output that claims to be a terminal."""

    def __init__(self, stream: object) -> None:
        self._stream = stream

    def isatty(self) -> bool:
        return True

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


ROWS = [
    {"id": "key_1", "name": "n" * 60, "requests": 7, "good": True, "ends": None},
    {"id": "key_22", "name": "\x1b[2Jx", "requests": 1234, "good": False, "ends": ""},
]


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    import sys

    monkeypatch.setattr(sys, "stdout", Terminal(sys.stdout))
    monkeypatch.setattr(output.shutil, "get_terminal_size", lambda *_, **__: os.terminal_size((width, 24)))


def test_columns_are_aligned_and_numbers_stand_on_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(ROWS, flexible=("name",))
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.index("REQUESTS") + len("REQUESTS") == first.index("7") + 1 == second.index("1234") + 4
    assert first.endswith("yes   -")
    assert second.endswith("no    -")


def test_nothing_is_cut_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(ROWS, flexible=("name",))
    assert "n" * 60 in capsys.readouterr().out


def test_on_a_terminal_the_flexible_columns_give_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch, 50)
    output.print_table(ROWS, flexible=("name",))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) == 50 - len("S") + 1
    assert "key_22" in lines[2]
    assert "…" in lines[1]


def test_a_terminal_that_is_far_too_narrow_gets_long_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal(monkeypatch, 5)
    output.print_table(ROWS, flexible=("name",))
    assert "nnnnnnn…" in capsys.readouterr().out


def test_no_control_character_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(ROWS)
    output.print_json(ROWS)
    assert "\x1b" not in capsys.readouterr().out


def test_an_empty_list_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table([], empty="Nothing here: make one.")
    assert capsys.readouterr().out == "Nothing here: make one.\n"


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({"name": "東京\u202e"})
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert json.loads(printed) == {"name": "東京\u202e"}


def test_moments_are_shown_in_utc() -> None:
    when = datetime(2026, 1, 2, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert output.moment(when) == "2026-01-01T23:30:00Z"
    assert output.minute(when) == "2026-01-01 23:30"
    assert output.moment(None) is None
