"""`tollhouse web`: this process becomes gunicorn."""

import errno
import os
import socket
import sys
from typing import NoReturn

from tollhouse.domain.errors import InvalidSetting
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
