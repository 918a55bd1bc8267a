"""What processes counted that are gone: it is added up in one file, and their gauges are forgotten.

Without this, each process that dies would leave files that every scrape reads, and gauges of the living would tell of
the dead.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

DEAD = "dead"
"""The process that all of them are, in the names of their files."""
LOCK = "lock"
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
    """Keep those who bury from those who read: what was counted must be found in one place, and not in two."""
    with (folder / LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield


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
    together = MmapedDict(str(sums))  # type: ignore[no-untyped-call]
    try:
        for key, value, said_at, _ in MmapedDict.read_all_values_from_file(str(source)):  # type: ignore[no-untyped-call]
            before, said_before = together.read_value(key)  # type: ignore[no-untyped-call]
            if not latest:
                together.write_value(key, before + value, 0.0)  # type: ignore[no-untyped-call]
            elif said_at >= said_before:
                together.write_value(key, value, said_at)  # type: ignore[no-untyped-call]
    finally:
        together.close()  # type: ignore[no-untyped-call]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
