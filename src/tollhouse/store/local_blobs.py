"""Blobs as files of a folder, for their owner's eyes. Processes on several machines must share the folder."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from tollhouse import logs
from tollhouse.domain.errors import ContentMissing, OutOfSpace, Unavailable

PARTIAL = ".part"
"""Behind the name of a blob that is not whole yet."""


class LocalBlobs:
    """The Blobs port. `outside` runs what waits for the disk where that holds up nobody else."""

    def __init__(self, folder: Path, outside: Callable[[Callable[[], None]], object]) -> None:
        self._folder = folder
        self._outside = outside

    def create(self, id: str) -> "NewFile":
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return NewFile(self._folder / id, self._outside)
        except OSError as error:
            raise _out_of_space(error) from error

    def open(self, id: str) -> "OpenFile":
        try:
            return OpenFile(os.open(self._folder / id, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            raise _unreadable(error, ContentMissing if isinstance(error, FileNotFoundError) else Unavailable) from error

    def delete(self, id: str) -> None:
        for name in (id, f"{id}{PARTIAL}"):
            try:
                (self._folder / name).unlink(missing_ok=True)
            except OSError as error:  # it is looked for again, as one that belongs to nothing
                logs.event("blob_not_deleted", level=logs.ERROR, blob=id, error=error)

    def old(self, seconds: float) -> Iterator[str]:
        before = time.time() - seconds
        with suppress(FileNotFoundError), os.scandir(self._folder) as found:
            for one in found:
                with suppress(FileNotFoundError):
                    if one.stat().st_mtime < before:
                        yield one.name.removesuffix(PARTIAL)


class NewFile:
    """Under another name until it is whole and on the disk."""

    def __init__(self, path: Path, outside: Callable[[Callable[[], None]], object]) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}{PARTIAL}")
        self._outside = outside
        self._file = os.open(self._partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        self._open = True

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            raise _out_of_space(error) from error

    def keep(self) -> None:
        try:
            self._outside(self._sync)
        except OSError as error:
            raise _out_of_space(error) from error

    def _sync(self) -> None:
        os.fsync(self._file)
        self._partial.rename(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        if self._open:
            self._open = False
            with suppress(OSError):
                os.close(self._file)
            with suppress(OSError):
                self._partial.unlink(missing_ok=True)


class OpenFile:
    """Read by position, so that threads may share it."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._open = True

    def read(self, start: int, size: int) -> bytes:
        try:
            return os.pread(self._file, size, start)
        except OSError as error:
            raise _unreadable(error) from error

    def close(self) -> None:
        if self._open:
            self._open = False
            os.close(self._file)


def _out_of_space(error: OSError) -> OutOfSpace:
    logs.event("file_not_kept", level=logs.ERROR, error=error)
    return OutOfSpace("This gateway has no room to keep the file. Try again later.")


def _unreadable(error: OSError, kind: type[Unavailable] = Unavailable) -> Unavailable:
    logs.event("file_unreadable", level=logs.ERROR, error=error)
    return kind("The content of this file cannot be read.")
