"""A file that is uploaded as it was when it was opened."""

import io
import os
from pathlib import Path


class SteadyFile(io.BufferedIOBase):
    """Gives what the file had then and nothing that was added since. Close it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._seen = self._look()
        self.size = self._seen[0]

    @property
    def has_changed(self) -> bool:
        """Whether it was written to since."""
        return self._look() != self._seen

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            return self._file.seek(self.size + offset)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self.size - self._file.tell())
        return self._file.read(left if size is None or size < 0 else min(size, left))

    def close(self) -> None:
        self._file.close()
        super().close()

    def _look(self) -> tuple[int, int]:
        found = os.fstat(self._file.fileno())
        return found.st_size, found.st_mtime_ns
