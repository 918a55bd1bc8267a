"""Who is measured: one file each, in the order of the table.

A contestant is started once, called by all rounds, and stopped. Each is one process that serves, of whatever it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.processes import Child


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all contestants are given: a folder for their files, the upstream's port, the sources of Tollhouse."""

    folder: Path
    upstream_port: int
    source: Path | None


class Contestant(Protocol):
    """A server that answers POST /v1/chat/completions on `port` with what the upstream says."""

    label: str
    port: int
    headers: Mapping[str, str]
    child: Child
    """The process whose tree is measured."""
    databases: Sequence[Child]
    """The servers that work for it, its database and Redis: measured apart."""

    def audit(self, calls: int) -> None:
        """Raise Failed unless it did with `calls` answered calls what it is measured for."""

    def stop(self) -> None: ...


def names() -> tuple[str, ...]:
    return (
        "nginx",
        "bare-wsgi",
        "tollhouse-sqlite",
        "tollhouse-unguarded",
        "tollhouse-observed",
        "tollhouse-payloads",
        "tollhouse-postgres",
        "litellm",
        "portkey",
    )


def start(name: str, given: Surroundings) -> Contestant:
    """Start one; it answers when this returns. Failed when it does not come up."""
    from bench.contestants import bare_wsgi, litellm, nginx, portkey, tollhouse

    starts = {
        "nginx": nginx.start,
        "bare-wsgi": bare_wsgi.start,
        "tollhouse-sqlite": tollhouse.start_on_sqlite,
        "tollhouse-unguarded": tollhouse.start_unguarded,
        "tollhouse-observed": tollhouse.start_observed,
        "tollhouse-payloads": tollhouse.start_keeping,
        "tollhouse-postgres": tollhouse.start_on_postgres,
        "litellm": litellm.start,
        "portkey": portkey.start,
    }
    return starts[name](given)
