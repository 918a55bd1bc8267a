"""The log file that all processes of a machine share."""

import json
import os
import pty
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.running import wait_until
from tests.unit.logs.conftest import Log
from tollhouse import logs, metrics
from tollhouse.logs import file as module
from tollhouse.logs.file import FileSink

WRITER = """
import sys
from tollhouse import logs, settings
patched = sys.argv[4] == "gevent"
if patched:
    from gevent import monkey
    monkey.patch_all()
path, process, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
given = {"TOLLHOUSE_LOG_FILE": path, "TOLLHOUSE_LOG_FILE_BYTES": sys.argv[5], "TOLLHOUSE_LOG_FILES": "200",
         "TOLLHOUSE_LOG_FORMAT": "json"}
logs.configure(settings.load(given), "web")
for number in range(count):
    logs.event("line", writer=process, number=number, text="x" * (number % 200))
    if number % 1000 == 999:
        logs.flush(60)  # who writes more than the disk takes would have to drop
logs.flush(60)
from tollhouse import metrics
print(metrics.LOG_LINES_DROPPED._value.get())
"""


def write(path: Path, processes: int, count: int, size: int = 1_000_000) -> None:
    """Each process writes so many lines, half of them under gevent; none may say that it dropped one. 200 files of
    `size` bytes must be enough for all: what is older is deleted.
    """
    started = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                WRITER,
                str(path),
                str(number),
                str(count),
                ("threads", "gevent")[number % 2],
                str(size),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    for process in started:
        said, _ = process.communicate(timeout=600)
        assert process.returncode == 0
        assert said.splitlines()[-1] == "0.0"


def lines_of(path: Path) -> list[dict[str, object]]:
    """Of the current file and those before it. A torn line is no JSON."""
    found = []
    for file in path.parent.glob(f"{path.name}*"):
        text = file.read_bytes()
        assert text.endswith(b"\n")
        found += [json.loads(line) for line in text.splitlines()]
    return found


def check_all_there(path: Path, processes: int, count: int) -> None:
    seen = sorted((str(line["writer"]), int(str(line["number"]))) for line in lines_of(path))
    assert seen == sorted((str(process), number) for process in range(processes) for number in range(count))


def test_eight_processes_write_one_file_and_no_line_is_torn_or_lost(tmp_path: Path) -> None:
    path = tmp_path / "gate.log"
    write(path, 8, 2000)
    check_all_there(path, 8, 2000)
    assert len(list(tmp_path.glob("gate.log.*"))) >= 2, "it was never begun anew"


@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_eight_processes_write_a_million_lines_and_none_is_torn_or_lost(tmp_path: Path) -> None:
    path = tmp_path / "gate.log"
    write(path, 8, 125_000, 5_000_000)
    check_all_there(path, 8, 125_000)


def test_the_file_has_json_where_the_terminal_has_text(tmp_path: Path, configured: Callable[..., Log]) -> None:
    path = tmp_path / "gate.log"
    log = configured(log_file=str(path), log_format="text")
    logs.event("call", team="team_1")
    logs.flush(30)
    assert "team=team_1" in log.text
    assert [line["message"] for line in lines_of(path)] == ["call"]
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_secret_is_masked_in_the_file_too(tmp_path: Path, configured: Callable[..., Log]) -> None:
    path = tmp_path / "gate.log"
    configured(log_file=str(path))
    logs.event("odd", text="sk-th-abcdefghijklmnop")
    logs.flush(30)
    assert b"abcdefghijklmnop" not in path.read_bytes()


def dropped() -> float:
    return metrics.REGISTRY.get_sample_value("tollhouse_log_lines_dropped_total") or 0


def test_while_the_disk_stalls_nobody_waits_and_what_is_too_much_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, stalls = threading.Event(), threading.Event()

    class Stalled:
        def __init__(self, *_: object) -> None:
            self.lines = b""

        def write(self, lines: bytes) -> None:
            stalls.set()
            goes_on.wait(60)
            self.lines += lines

    file = Stalled()
    monkeypatch.setattr(module, "_rotating", lambda *_: file)
    monkeypatch.setattr(module, "MOST_WAITING", 10)
    sink = FileSink(str(tmp_path / "gate.log"), 1_000_000, 1)
    sink.put(b"0\n")
    assert stalls.wait(30)
    before = dropped()
    for number in range(1, 16):
        sink.put(b"%d\n" % number)  # returns, though nothing is written
    assert dropped() == before + 5
    goes_on.set()
    sink.flush(30)
    assert file.lines == b"".join(b"%d\n" % number for number in range(11))


def test_what_a_full_disk_does_not_take_is_counted_and_later_lines_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gone"
    sink = FileSink(str(folder / "gate.log"), 1_000_000, 1)
    real = module._rotating
    full = True

    def rotating(*given: object) -> object:
        if full:
            raise OSError(28, "No space left on device")
        folder.mkdir(exist_ok=True)
        return real(*given)

    monkeypatch.setattr(module, "_rotating", rotating)
    before = dropped()
    sink.put(b"lost\n")
    sink.flush(30)
    full = False
    sink.put(b"kept\n")
    sink.flush(30)
    wait_until(lambda: (folder / "gate.log").read_bytes() == b"kept\n", 30)
    assert dropped() == before + 1


def test_a_child_writes_lines_of_its_own_and_none_of_its_parents(tmp_path: Path) -> None:
    program = f"""
import os
from tollhouse.logs.file import FileSink
sink = FileSink({str(tmp_path / "gate.log")!r}, 1_000_000, 1)
for _ in range(50):
    sink.put(b"parent\\n")
child = os.fork()
if child == 0:
    sink.put(b"child\\n")
    sink.flush(30)
    os._exit(0)
os.waitpid(child, 0)
sink.flush(30)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    lines = (tmp_path / "gate.log").read_bytes().splitlines()
    assert (lines.count(b"parent"), lines.count(b"child")) == (50, 1)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="where there is no /proc a pipe is written as a file is")
@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal"])
def test_a_reader_of_standard_output_that_stops_holds_nobody_up(kind: str) -> None:
    program = """
import sys
from tollhouse import logs, metrics, settings
logs.configure(settings.load({"TOLLHOUSE_LOG_FORMAT": "json"}), "web")
for number in range(12_000):
    logs.event("line", number=number)
print(metrics.LOG_LINES_DROPPED._value.get(), file=sys.stderr, flush=True)
logs.flush(60)
"""
    reader, writer = ends(kind)
    with subprocess.Popen([sys.executable, "-c", program], stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        assert process.stderr
        dropped = float(process.stderr.readline())  # it has come here, though nobody has read a line
        lines = [json.loads(line) for line in read_all(reader).splitlines()]
    assert 0 < dropped < 12_000
    assert len(lines) == 12_000 - dropped
    assert [line["number"] for line in lines] == list(range(len(lines)))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="where there is no /proc a pipe is written as a file is")
@pytest.mark.parametrize("patched", ["", "from gevent import monkey; monkey.patch_all()"])
def test_what_waited_is_written_when_the_reader_goes_on_though_no_line_follows(patched: str) -> None:
    program = f"""
{patched}
import sys, time
from tollhouse import logs, settings
logs.configure(settings.load({{"TOLLHOUSE_LOG_FORMAT": "json"}}), "web")
for number in range(1_000):
    logs.event("line", number=number)
print("done", file=sys.stderr, flush=True)
time.sleep(120)
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        assert process.stderr.readline() == b"done\n"
        lines = [json.loads(process.stdout.readline()) for _ in range(1_000)]
        process.kill()
    assert [line["number"] for line in lines] == list(range(1_000))


def ends(kind: str) -> tuple[int, int]:
    """Of what a process writes to, to read and to write."""
    if kind == "socket":
        one, other = socket.socketpair()
        return one.detach(), other.detach()
    return pty.openpty() if kind == "terminal" else os.pipe()


def read_all(end: int) -> bytes:
    read = bytearray()
    try:
        while piece := os.read(end, 1 << 16):
            read += piece
    except OSError:
        pass  # so a terminal ends
    os.close(end)
    return bytes(read)


def test_lines_are_not_held_back_where_the_reader_reads(tmp_path: Path) -> None:
    read, write_end = os.pipe()
    program = """
from tollhouse import logs, settings
logs.configure(settings.load({"TOLLHOUSE_LOG_FORMAT": "json"}), "web")
logs.event("last words")
import os
os._exit(1)
"""
    subprocess.run([sys.executable, "-c", program], stdout=write_end, check=False, timeout=60)
    os.close(write_end)
    with os.fdopen(read, "rb") as pipe:
        assert json.loads(pipe.read())["message"] == "last words"


def test_a_line_that_a_killed_process_left_half_written_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "gate.log"
    path.write_bytes(b'{"message": "whole"}\n{"message": "ha')
    sink = FileSink(str(path), 1_000_000, 1)
    sink.put(b'{"message": "next"}\n')
    sink.flush(30)
    sink.put(b'{"message": "last"}\n')
    sink.flush(30)
    assert path.read_bytes().splitlines()[1:] == [b'{"message": "ha', b'{"message": "next"}', b'{"message": "last"}']
