"""What must hold before anything is started. Each failure is one sentence that says what to do."""

import errno
import fcntl
import os
import shutil
import socket
from contextlib import suppress
from pathlib import Path

from tollhouse.domain.errors import InvalidSetting, TollhouseError, Unavailable

LEAST_FREE_BYTES = 32 * 1024 * 1024
LOCK = "up.lock"

_FULL = (errno.ENOSPC, errno.EDQUOT)
_PARAM = "TOLLHOUSE_HOME"


class HomeLock:
    """Held by the one `up` of a home, and let go by the kernel when that process ends, however it does."""

    def __init__(self, home: Path) -> None:
        """InvalidSetting when another `up` has it; OSError when the home takes no file."""
        self._handle = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(self._handle, 32).decode(errors="replace").strip()
            os.close(self._handle)
            who = f" as process {pid}" if pid.isdigit() else ""
            raise InvalidSetting(
                f"`tollhouse up` already runs on {home}{who}: stop it first, or set TOLLHOUSE_HOME to another folder.",
                param=_PARAM,
            ) from None
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._handle)


def make_home(home: Path) -> None:
    """Make the home, for its owner alone, and see that it takes data."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = home / f".up-{os.getpid()}"
    try:
        with draft.open("wb") as file:
            file.write(b"\0" * 65536)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(home)) from error  # the draft's name says nothing to anyone
    finally:
        with suppress(OSError):  # where nothing can be written nothing can be removed, and the first error is the news
            draft.unlink(missing_ok=True)
    free = shutil.disk_usage(home).free
    if free < LEAST_FREE_BYTES:
        raise Unavailable(
            f"The disk of {home} has only {free // 1024 // 1024} MB left: make room, or set TOLLHOUSE_HOME to a folder "
            "on another disk."
        )


def check_port(host: str, port: int) -> None:
    """InvalidSetting unless a server may listen there."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
    except (socket.gaierror, UnicodeError):
        raise InvalidSetting(
            f"TOLLHOUSE_HOST is {host!r}, which is no address of this machine: try 127.0.0.1.", param="TOLLHOUSE_HOST"
        ) from None
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            raise _port_refused(host, port, error) from None


def check_redis_url(url: str) -> None:
    """InvalidSetting for what is no URL of a Redis; one that does not answer is waited for by whoever needs it."""
    if url:
        from tollhouse.kv.connection import connect  # slow, and mostly for nothing

        connect(url).close()


def _port_refused(host: str, port: int, error: OSError) -> InvalidSetting:
    if error.errno == errno.EADDRINUSE:
        return InvalidSetting(
            f"Port {port} is taken by another program: stop that, or set TOLLHOUSE_PORT to a free one.",
            param="TOLLHOUSE_PORT",
        )
    if error.errno == errno.EACCES:
        return InvalidSetting(
            f"Port {port} may not be used by this user: set TOLLHOUSE_PORT to one above 1023.", param="TOLLHOUSE_PORT"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return InvalidSetting(
            f"TOLLHOUSE_HOST is {host!r}, which is no address of this machine: try 127.0.0.1.", param="TOLLHOUSE_HOST"
        )
    return InvalidSetting(f"Port {port} of {host} cannot be used ({error.strerror}): set TOLLHOUSE_PORT to another.")


def explain(error: OSError, home: Path) -> TollhouseError:
    """The sentence for whatever the machine refused."""
    what = error.strerror or str(error)
    if error.errno in _FULL:
        return Unavailable(f"The disk of {home} is full: make room, or set TOLLHOUSE_HOME to a folder on another disk.")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.ENOENT):
        return InvalidSetting(
            f"{error.filename or home} cannot be written ({what}): make it writable, or set TOLLHOUSE_HOME to another "
            "folder.",
            param=_PARAM,
        )
    where = f" for {error.filename}" if error.filename else ""
    return Unavailable(f"The machine refused something{where} ({what}): mend that, then start again.")
