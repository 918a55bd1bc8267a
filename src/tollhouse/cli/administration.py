"""Administration runs in this process, on the same services as the gateway."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tollhouse.settings import Settings, load

if TYPE_CHECKING:
    from tollhouse.wiring import Services


@contextmanager
def administration(*, migrate: bool = True) -> Iterator["Services"]:
    """The services, closed at the end. A missing embedded database is made first, unless not `migrate`."""
    settings = load()
    from tollhouse import logs, wiring

    logs.configure(settings, "cli")
    services = wiring.build(settings, "cli")
    try:
        if settings.embedded_database and migrate:
            make_database(services)
        yield services
    finally:
        services.close()


def make_database(services: "Services") -> None:
    """Make the embedded database where there is none. Of two first commands at once one makes it, and the other waits.

    A database that is there is left as it is: what brings it to another version is `db upgrade`.
    """
    from tollhouse.wiring import EMBEDDED_DATABASE

    home = services.settings.home
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = os.open(home, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if not (home / EMBEDDED_DATABASE).exists():
            services.schema.upgrade()
    finally:
        os.close(folder)


def make_database_apart(settings: Settings) -> None:
    """The same in a process of its own, for programs that may import the services only after they have forked."""
    if not settings.embedded_database or any(settings.home.glob("*.db")):
        return
    made = subprocess.run([sys.executable, "-m", "tollhouse", "db", "upgrade"], stdout=subprocess.DEVNULL, check=False)
    if made.returncode:
        sys.exit(made.returncode)
