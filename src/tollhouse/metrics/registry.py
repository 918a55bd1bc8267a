"""Where metrics are kept, and how they are shown.

With PROMETHEUS_MULTIPROC_DIR set before this module is imported, the processes of one gateway count into
files of that folder and `render` adds them up; without it, this process counts for itself. The folder must
be on memory, such as /dev/shm: the files are mapped, so writing one on a full disk kills the process.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from tollhouse.domain.ports import Outside, at_once
from tollhouse.metrics.dead import bury, locked

CONTENT_TYPE = CONTENT_TYPE_LATEST
REGISTRY = CollectorRegistry()

_SHARED = "PROMETHEUS_MULTIPROC_DIR" in os.environ


class _Process:
    """Who counts. Asked for with each count, so it is kept rather than asked of the system."""

    identity = str(os.getpid())
    named = False

    @classmethod
    def begin(cls) -> None:
        if not cls.named:
            cls.identity = str(os.getpid())


os.register_at_fork(after_in_child=_Process.begin)

if _SHARED:
    values.ValueClass = values.MultiProcessValue(lambda: _Process.identity)  # type: ignore[no-untyped-call]


def render(outside: Outside = at_once) -> bytes:
    """All metrics in Prometheus' text format, of type CONTENT_TYPE. With some models and processes that takes tens of
    milliseconds of a processor, which are spent `outside`. Raises TimeoutError.
    """
    if not _SHARED:
        return generate_latest(REGISTRY)
    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    bury(folder)
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    with locked(folder):
        return outside(lambda: generate_latest(together))


def highest(name: str) -> float:
    """The highest value that a gauge has at any process of this machine, whatever its labels; 0 without one."""
    registry = REGISTRY
    if _SHARED:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    found = [sample.value for metric in registry.collect() for sample in metric.samples if sample.name == name]
    return max(found, default=0.0)


def count_as(identity: str) -> None:
    """Count into the file of this name rather than one of this process's id.

    For processes that come and go one after the other, as work-horses do: each would leave files behind.
    No two that live at the same time may have one name; an underscore in it is not allowed.
    """
    inherited = [(gauge, gauge._value._value) for gauge in _gauges_of_the_least()] if _SHARED else []
    _Process.identity, _Process.named = identity, True
    for gauge, value in inherited:
        gauge.set(value)


def _gauges_of_the_least() -> Iterator[Any]:
    """In a file of its own an inherited gauge begins at 0, which of several processes would be the least."""
    for metric in REGISTRY._collector_to_names:
        if isinstance(metric, Gauge) and metric._multiprocess_mode == "livemin":
            yield from metric._metrics.values() if metric._labelnames else [metric]


def forget_process(identity: str) -> None:
    """Take a dead process out of the gauges of living ones. `identity` is its id, or its name."""
    if _SHARED:
        mark_process_dead(identity)  # type: ignore[no-untyped-call]
