"""What the ledger's database did not take yet, in one synced file a process: it outlives the process."""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from tollhouse import logs
from tollhouse.domain.ledger import Settlement
from tollhouse.store.ledger.documents import read_settlement, write_settlement

SUFFIX = ".jsonl"
UNREADABLE = ".unreadable"
"""Follows the name of a spool with a line that is no settlement: it is kept for a person to look at."""


class Spool:
    """A file that its process holds locked: whoever gets the lock knows that the process is gone, and takes over.

    It may hold settlements that were written meanwhile; to settle again changes nothing.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._path = folder / f"{name}{SUFFIX}"
        self._file: int | None = None

    def keep(self, settlements: Sequence[Settlement]) -> None:
        """Append; what is kept is on the disk when this returns. Raises OSError, and then none of it counts."""
        file = self._open()
        end = os.lseek(file, 0, os.SEEK_END)
        lines = b"".join([write_settlement(one) + b"\n" for one in settlements])
        try:
            while lines:
                lines = lines[os.write(file, lines) :]
            os.fsync(file)
        except OSError:
            os.ftruncate(file, end)
            raise

    def clear(self) -> None:
        """All that was kept is in the database."""
        if self._file is not None:
            os.ftruncate(self._file, 0)

    def take_over(self) -> list[Settlement]:
        """What ended processes of this home kept. It is in this spool before it leaves theirs; what cannot be taken
        stays there, for the next.
        """
        taken: list[Settlement] = []
        for path in sorted(self._folder.glob(f"*{SUFFIX}")) if self._folder.is_dir() else ():
            file = None if path == self._path else _lock(path)
            if file is None:
                continue
            try:
                found, whole = _read(path)
                if found:
                    self.keep(found)
                    taken += found
                if whole:
                    path.unlink()
                else:
                    logs.event("spool_unreadable", level=logs.ERROR, file=path.name)
                    path.rename(f"{path}{UNREADABLE}")
            except OSError as error:
                logs.event("spool_failed", level=logs.ERROR, file=path.name, error=error)
            finally:
                os.close(file)
        return taken

    def close(self) -> None:
        """Let go of the file; what is in it waits for whoever takes over."""
        file, self._file = self._file, None
        if file is not None:
            if not os.fstat(file).st_size:
                self._path.unlink(missing_ok=True)
            os.close(file)

    def _open(self) -> int:
        while self._file is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file).st_nlink:
                self._file = file
                _sync_folder(self._folder)
            else:
                os.close(file)  # someone took it for an ended process's before it was locked
        return self._file


def _read(path: Path) -> tuple[list[Settlement], bool]:
    """What is in it, and whether that is all. A process that died while it wrote left its last line unfinished:
    nobody was told that it was kept.
    """
    found, whole = [], True
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            found.append(read_settlement(line))
        except (ValueError, TypeError, KeyError):
            whole = False
    return found, whole


def _lock(path: Path) -> int | None:
    """The file, locked, if nobody holds it."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    if not os.fstat(file).st_nlink:
        os.close(file)
        return None
    return file


def _sync_folder(folder: Path) -> None:
    """A new file's name is not on the disk before its folder is."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
