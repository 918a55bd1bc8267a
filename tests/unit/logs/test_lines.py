import logging
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.logs.conftest import Log
from tollhouse import logs
from tollhouse.logs.lines import JSONLines, TextLines
from tollhouse.settings import Settings

HOSTILE = "a\nb\r\x00\x1b[31m\x7f\x85\u2028\u2029\u202e\ud800\x9b"


def record(name: str = "x", created: float | None = None, **fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("tollhouse", logging.INFO, "", 0, name, None, None)
    made.fields = fields
    if created is not None:
        made.created = created
    return made


def test_the_time_is_utc_with_milliseconds(log: Log) -> None:
    before = datetime.now(UTC)
    logs.event("now")
    stamp = log.last["@timestamp"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)
    assert abs((datetime.fromisoformat(stamp) - before).total_seconds()) < 5


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1e9 + 0.9996, "2001-09-09T01:46:40.999Z"),
        (1e9 + 59, "2001-09-09T01:47:39.000Z"),
    ],
)
def test_times_are_cut_to_the_millisecond_not_rounded_into_the_next_second(created: float, expected: str) -> None:
    assert f'"@timestamp":"{expected}"'.encode() in JSONLines("web").line(record(created=created))


def test_a_line_stays_one_line_whatever_was_written_into_it(log: Log) -> None:
    logs.event(HOSTILE, text=HOSTILE, nested={HOSTILE: [HOSTILE]})
    logging.getLogger("library").warning(HOSTILE)
    assert len(log.events) == 2
    assert all(character.isprintable() for character in log.text if character != "\n")
    assert log.events[0]["text"].replace("\\ud800", "\ud800") == HOSTILE


@given(st.text(), st.dictionaries(st.text(), st.text()))
def test_any_text_is_one_printable_line(text: str, nested: dict[str, str]) -> None:
    line = JSONLines("web").line(record(text, text=text, nested=nested)).decode()
    assert len(line.splitlines()) == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e]", line)


@dataclass
class Host:
    name: str
    credential: str = field(repr=False)


class Mute:
    def __str__(self) -> str:
        raise RuntimeError


class Loud(dict[str, Any]):
    pass


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        (float("nan"), None),
        (2**63 - 1, 2**63 - 1),
        (10**30, "1" + "0" * 30),
        (Decimal("0.10"), "0.10"),
        (datetime(2026, 11, 21, tzinfo=UTC), "2026-11-21T00:00:00+00:00"),
        (b"bytes", "b'bytes'"),
        (("a", 1), ["a", 1]),
        ({"deep": {"er": 10**30}}, {"deep": {"er": "1" + "0" * 30}}),
        (Host("openai", "sesame"), "Host(name='openai')"),
        (Mute(), "<Mute>"),
    ],
)
def test_values_that_are_no_json_are_written_as_text(log: Log, value: Any, written: Any) -> None:
    logs.event("x", value=value)
    assert log.last["value"] == written


def test_a_value_that_contains_itself_does_not_stop_the_line(log: Log) -> None:
    ring: list[Any] = []
    ring.append(ring)
    logs.event("x", ring=ring)
    assert log.last["ring"] == "[[...]]"


def test_a_field_never_overwrites_what_each_line_has(log: Log) -> None:
    logs.event("x", host="api.example", message="other", pid=0)
    assert (log.last["message"], log.last["pid"]) == ("x", os.getpid())
    assert (log.last["host_"], log.last["message_"], log.last["pid_"]) == ("api.example", "other", 0)


def test_an_exception_in_a_field_brings_its_stack_trace(log: Log) -> None:
    try:
        raise KeyError("colour")
    except KeyError as error:
        logs.event("failed", level=logs.ERROR, error=error)
    assert log.last["error"] == "KeyError: 'colour'"
    assert "test_lines.py" in log.last["stack_trace"]


def test_a_librarys_exception_brings_its_stack_trace(log: Log) -> None:
    try:
        raise KeyError("colour")
    except KeyError:
        logging.getLogger("library").exception("It broke")
    assert (log.last["message"], log.last["error"]) == ("It broke", "KeyError: 'colour'")
    assert "test_lines.py" in log.last["stack_trace"]


def test_a_library_whose_message_does_not_fit_its_arguments_is_heard_all_the_same() -> None:
    unfit = logging.LogRecord("library", logging.INFO, "", 0, "%s and %s", ("one",), None)
    assert b'"message":"%s and %s (\'one\',)"' in JSONLines("web").line(unfit)


def test_long_texts_lose_their_middle_and_keep_both_ends(log: Log) -> None:
    def fall(depth: int) -> None:
        if depth:
            fall(depth - 1)
        raise ValueError("z" * 5000 + "!")

    logs.event("x", text="start" + "a" * 10_000 + "end")
    assert log.last["text"].startswith("start")
    assert log.last["text"].endswith("end")
    try:
        fall(20)
    except ValueError as error:
        logs.event("x", error=error)
    assert log.last["stack_trace"].startswith("Traceback")
    assert log.last["stack_trace"].endswith("!\n")
    assert max(len(line) for line in log.raw.splitlines()) < 6000


def test_on_a_terminal_an_event_is_one_readable_line(configured: Callable[..., Log]) -> None:
    log = configured(log_format="text")
    logs.event("call", model="smollm2", status=200, answer="two words", odd=HOSTILE)
    (line,) = log.text.splitlines()
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d INFO {4}web {7}call model=smollm2 status=200 answer=\"two words\" odd=.*", line
    )


def test_in_text_a_stack_trace_stands_below_and_cannot_forge_a_line() -> None:
    try:
        raise ValueError("x\n12:00:00 INFO    web       forged\x1b[2J")
    except ValueError as error:
        rows = TextLines("web").line(record("failed", error=error)).decode().splitlines()
    assert rows[0].split()[3] == "failed"
    assert all(row.startswith("    ") for row in rows[1:])
    assert "\x1b" not in "".join(rows)


def test_auto_is_text_on_a_terminal_and_json_elsewhere(
    monkeypatch: pytest.MonkeyPatch, logging_restored: None, tmp_path: Path
) -> None:
    leader, terminal = os.openpty()
    with os.fdopen(terminal, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        logs.configure(Settings(log_format="auto"), "web")
        logs.event("call")
        assert os.read(leader, 1000).rstrip().endswith(b"call")
    os.close(leader)
    with (tmp_path / "out").open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        logs.configure(Settings(log_format="auto"), "web")
        logs.event("call")
    assert (tmp_path / "out").read_text().startswith('{"@timestamp"')
