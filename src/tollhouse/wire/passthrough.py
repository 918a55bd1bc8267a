"""The identity: client and upstream speak the same format, and the bytes are not touched."""

from collections.abc import Callable
from typing import Protocol


class Converter(Protocol):
    """Turns an upstream's frames into the client's bytes. Never raises."""

    def feed(self, frame: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class Passthrough:
    """Every frame as it came, except those that only the gateway asked for."""

    def __init__(self, drops: Callable[[bytes], bool] | None = None) -> None:
        self._drops = drops

    def feed(self, frame: bytes) -> bytes:
        return b"" if self._drops and self._drops(frame) else frame

    def finish(self) -> bytes:
        return b""
