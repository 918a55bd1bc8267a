"""What processes counted that are gone: it is added up in one file, and their gauges are forgotten.

Without this, each process that dies would leave files that every scrape reads, and gauges of the living would tell of
the dead.
"""

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from prometheus_client.mmap_dict import MmapedDict

DEAD = "dead"
"""The process that all of them are, in the names of their files."""
LOCK = "lock"
PATIENCE_SECONDS = 5.0
LATEST = "gauge_mostrecent"
"""Tells of what outlives a process: who said it last is right, dead or not."""
_FILE = re.compile(
    r"(?P<type>counter|histogram|gauge_live[a-z]*|gauge_mostrecent)_(?P<process>(?P<pid>[0-9]+)[a-z]*)\.db"
)


def bury(folder: Path) -> None:
    """Add what dead processes counted to what was counted before them. Raises OSError."""
    if not any(True for _ in _of_dead(folder)):
        return
    with locked(folder, exclusive=True):
        for file, kind in _of_dead(folder):
            if not kind.startswith("gauge_live"):
                _add(file, folder / f"{kind}_{DEAD}.db", latest=kind == LATEST)
            file.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path, *, exclusive: bool = False) -> Iterator[None]:
    """Keep those who bury from those who read: what was counted must be found in one place, and not in two.

    Raises TimeoutError where another process keeps it, as one that is stopped does.
    """
    with (folder / LOCK).open("ab") as lock:
        until = time.monotonic() + PATIENCE_SECONDS
        while not _is_taken(lock, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH):
            if time.monotonic() >= until:
                raise TimeoutError("Another process keeps what was counted to itself.")
            time.sleep(0.005)
        yield


def _is_taken(lock: IO[bytes], how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)  # to wait in it would hold up all greenlets
    except BlockingIOError:
        return False
    return True


def _of_dead(folder: Path) -> Iterator[tuple[Path, str]]:
    living: dict[str, bool] = {}
    for file in folder.glob("*.db"):
        found = _FILE.fullmatch(file.name)
        if found is None:
            continue
        pid = found["pid"]
        if pid not in living:
            living[pid] = _lives(int(pid))
        if not living[pid]:
            yield file, found["type"]


def _add(source: Path, sums: Path, *, latest: bool) -> None:
    """All of it or nothing: whoever does this may be killed in the middle, and what was added would be added again."""
    together = _read(sums) if sums.exists() else {}
    for key, (value, said_at) in _read(source).items():
        before, said_before = together.get(key, (0.0, 0.0))
        if not latest:
            together[key] = before + value, 0.0
        elif said_at >= said_before:
            together[key] = value, said_at
    fresh = sums.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    written = MmapedDict(str(fresh))  # type: ignore[no-untyped-call]
    for key, (value, said_at) in together.items():
        written.write_value(key, value, said_at)  # type: ignore[no-untyped-call]
    written.close()  # type: ignore[no-untyped-call]
    fresh.replace(sums)


def _read(file: Path) -> dict[str, tuple[float, float]]:
    """By key, what is counted and when it was said. Who died before its first count left a file of nothing."""
    if not file.stat().st_size:
        return {}
    return {
        key: (value, said_at)
        for key, value, said_at, _ in MmapedDict.read_all_values_from_file(str(file))  # type: ignore[no-untyped-call]
    }


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
