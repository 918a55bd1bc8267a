import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import gevent
import orjson
import pytest

from tests.unit.logs.conftest import Log
from tollhouse import logs, metrics
from tollhouse.settings import Settings


def dropped() -> float:
    return metrics.REGISTRY.get_sample_value("tollhouse_log_lines_dropped_total") or 0


def test_an_event_is_one_json_line_in_logstashs_form(log: Log) -> None:
    logs.event("call", model="smollm2", status=200)
    (event,) = log.events
    assert list(event)[:4] == ["@timestamp", "@version", "message", "level"]
    assert (event["@version"], event["message"], event["level"]) == ("1", "call", "INFO")
    assert (event["process"], event["pid"], event["logger_name"]) == ("web", os.getpid(), "tollhouse")
    assert (event["model"], event["status"]) == ("smollm2", 200)
    assert event["host"]


def test_what_is_below_the_level_is_not_written(configured: Callable[..., Log]) -> None:
    log = configured(log_level="WARNING")
    logs.event("fine")
    logs.event("odd", level=logs.WARNING)
    assert [event["message"] for event in log.events] == ["odd"]


def test_configuring_twice_writes_once(configured: Callable[..., Log]) -> None:
    configured()
    log = configured()
    logs.event("once")
    assert len(log.events) == 1


def test_libraries_write_through_the_same_handler(log: Log) -> None:
    logging.getLogger("somebody.else").warning("they say %s", "hello")
    assert (log.last["message"], log.last["logger_name"]) == ("they say hello", "somebody.else")


def test_rq_and_gunicorn_lose_their_own_handlers_and_their_chatter(configured: Callable[..., Log]) -> None:
    names = ("rq.worker", "gunicorn.error")
    for name in names:
        logging.getLogger(name).addHandler(logging.StreamHandler())
        logging.getLogger(name).propagate = False
        logging.getLogger(name).setLevel("INFO")
    log = configured()
    for name in names:
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).error("trouble")
    assert [(event["logger_name"], event["message"]) for event in log.events] == [(n, "trouble") for n in names]


def test_the_command_line_logs_to_standard_error_and_only_what_is_wrong(configured: Callable[..., Log]) -> None:
    log = configured("cli")
    logs.event("fine")
    logs.event("wrong", level=logs.ERROR)
    assert [event["message"] for event in log.events] == ["wrong"]


def test_warnings_of_python_are_lines_too(log: Log) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
    assert log.last["logger_name"] == "py.warnings"


def test_each_greenlet_has_its_own_request_id(log: Log) -> None:
    def serve(number: int) -> None:
        logs.set_request_id(f"req_{number}")
        gevent.sleep(0)
        logs.event("served", number=number)

    gevent.joinall([gevent.spawn(serve, number) for number in range(3)], raise_error=True)
    logs.event("elsewhere")
    assert {(event.get("request_id"), event.get("number")) for event in log.events} == {
        ("req_0", 0),
        ("req_1", 1),
        ("req_2", 2),
        (None, None),
    }


def test_an_exception_that_ends_a_thread_is_an_event(log: Log) -> None:
    thread = threading.Thread(target=lambda: 1 / 0, name="ledger-writer")
    thread.start()
    thread.join()
    assert (log.last["message"], log.last["thread"]) == ("uncaught", "ledger-writer")
    assert "ZeroDivisionError" in log.last["error"]
    assert "Traceback" in log.last["stack_trace"]


def test_a_process_that_ends_by_an_exception_says_so_in_one_line() -> None:
    program = (
        "from tollhouse import logs; from tollhouse.settings import Settings\n"
        "logs.configure(Settings(log_format='json'), 'web')\n"
        "raise ValueError('no\\nway')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    (line,) = done.stdout.splitlines()
    assert (orjson.loads(line)["error"], done.stderr, done.returncode) == ("ValueError: no\nway", b"", 1)


def test_a_full_disk_drops_and_counts_lines_and_never_raises(
    monkeypatch: pytest.MonkeyPatch, logging_restored: None
) -> None:
    before = dropped()
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        logs.configure(Settings(log_format="json"), "web")
        for _ in range(3):
            logs.event("call")
    assert dropped() - before == 3


def test_a_pipe_that_nobody_reads_any_more_drops_and_counts_lines(
    monkeypatch: pytest.MonkeyPatch, logging_restored: None
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    before = dropped()
    with os.fdopen(writer, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        logs.configure(Settings(log_format="json"), "web")
        logs.event("call")
    assert dropped() - before == 1


def test_a_process_without_standard_output_drops_lines(monkeypatch: pytest.MonkeyPatch, logging_restored: None) -> None:
    before = dropped()
    monkeypatch.setattr(sys, "stdout", None)
    logs.configure(Settings(log_format="auto"), "web")
    logs.event("call")
    assert dropped() - before == 1


def test_after_a_line_that_was_taken_in_part_the_next_one_begins_anew(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_write = os.write
    before = dropped()
    monkeypatch.setattr(os, "write", lambda descriptor, line: whole_write(descriptor, line[:10]))
    logs.event("torn")
    monkeypatch.setattr(os, "write", whole_write)
    logs.event("whole")
    logs.event("whole")
    torn, *rest = log.raw.splitlines()
    assert len(torn) == 10
    assert [orjson.loads(line)["message"] for line in rest] == ["whole", "whole"]
    assert dropped() - before == 1
