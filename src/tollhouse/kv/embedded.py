"""Where the embedded Redis-compatible server of a home listens. Arithmetic on paths: nothing is looked up."""

import hashlib
import os
from pathlib import Path
from urllib.parse import quote

LONGEST_SOCKET_PATH = 100
"""Bytes. The kernel takes 107 on Linux and 103 on macOS."""


def embedded_redis_folder(home: Path) -> Path:
    """The folder of the server's data, which only its owner may enter."""
    return home / "redis"


def embedded_redis_socket(home: Path) -> Path:
    """The server's socket: in the home, or, where that path is too long for one, in the folder for temporary files."""
    socket = embedded_redis_folder(home) / "redis.sock"
    if len(os.fsencode(socket)) <= LONGEST_SOCKET_PATH:
        return socket
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path(os.environ.get("TMPDIR") or "/tmp") / f"tollhouse-{name}" / "redis.sock"  # noqa: S108 - checked where it is made


def embedded_redis_url(home: Path) -> str:
    """The server's URL, as redis-py reads it."""
    return f"unix://{quote(str(embedded_redis_socket(home)))}?db=0"
