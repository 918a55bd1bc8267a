"""`tollhouse web`: this process becomes gunicorn."""

import errno
import fcntl
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, NoReturn

from tollhouse.domain.errors import InvalidSetting, NotFound
from tollhouse.settings import Settings


def serve(settings: Settings) -> NoReturn:
    """Check that the port is free, then run gunicorn in place of this process."""
    check_address(settings.host, settings.port)
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "-c", "python:tollhouse.web.gunicorn_config"])  # noqa: S606


def check_address(host: str, port: int) -> None:
    """Raise InvalidSetting where nothing can be bound to this address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            what = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            raise InvalidSetting(
                f"Port {port} of {host} {what}: stop what uses it, or set TOLLHOUSE_PORT to another.",
                param="TOLLHOUSE_PORT",
            ) from None


def announce(settings: Settings) -> IO[str]:
    """Write down that this process serves the port. The file is locked for as long as it, or what it forks, keeps it
    open.
    """
    file = _file(settings).open("a+")
    with suppress(OSError):  # workers of a predecessor that was killed may still finish
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def reload(settings: Settings) -> int:
    """Have the processes that serve this home and port replaced by others; the id of the process that does it, while
    this one returns. Raises NotFound.
    """
    try:
        with _file(settings).open() as file:
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                raise ProcessLookupError  # nobody has it
            server = int(file.read())
        os.kill(server, signal.SIGHUP)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        raise NotFound(
            f"No web process serves port {settings.port} of {settings.home} on this machine: start one with "
            "`tollhouse up` or `tollhouse web`."
        ) from None
    return server


def _file(settings: Settings) -> Path:
    return settings.home / f"web-{settings.port}.pid"
