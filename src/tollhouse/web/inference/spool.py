"""An upload, put aside: in memory while it is small, else in a file without a name, which goes with the process."""

import tempfile
from pathlib import Path

from tollhouse import logs
from tollhouse.domain.errors import OutOfSpace
from tollhouse.domain.form import Part

SMALL = 256 * 1024
"""Bytes that stay in memory."""


class UploadSpool:
    """Written once, then read. Close it. Raises OutOfSpace."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.SpooledTemporaryFile(SMALL, dir=str(folder))  # noqa: SIM115 - `close` closes it
        self.size = 0

    def begin(self, part: Part) -> None:
        """All parts are kept, one behind another."""

    def write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise _out_of_space(error) from error
        self.size += len(data)

    def seal(self) -> None:
        """All of it is written: what the disk has no room for is known from here on."""
        try:
            self._file.flush()
        except OSError as error:
            raise _out_of_space(error) from error

    def read(self, start: int, size: int) -> bytes:
        try:
            self._file.seek(start)
            data: bytes = self._file.read(size)
        except OSError as error:
            raise _out_of_space(error) from error
        if len(data) < size:
            raise OutOfSpace("The upload that was put aside cannot be read again.")
        return data

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:  # what was left to write, nobody wants any more
            logs.event("spool_failed", level=logs.WARNING, error=error)


def _out_of_space(error: OSError) -> OutOfSpace:
    logs.event("upload_not_kept", level=logs.ERROR, error=error)
    return OutOfSpace("This gateway has no room to put the upload aside. Try again later.")
