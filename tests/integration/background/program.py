"""A worker whose kinds can be watched: program.py REDIS_URL FOLDER STOP_SECONDS.

Each kind writes what it does, and the id of its work-horse, to FOLDER/done.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tollhouse import worker
from tollhouse.jobs.registry import JobKind
from tollhouse.settings import Settings

URL, FOLDER = sys.argv[1], Path(sys.argv[2])


class Services:
    asked_to_stop: Callable[[], bool]

    def close(self) -> None:
        pass


def write(word: str) -> None:
    with (FOLDER / "done").open("a") as file:
        file.write(f"{word} {os.getpid()}\n")


def quick(_: Services) -> None:
    write("quick")


def slow(_: Services) -> None:
    write("begun")
    time.sleep(1.3)  # a worker looks at its work-horse once a second
    write("ended")


def endless(_: Services) -> None:
    write("begun")
    time.sleep(60)


def patient(services: Services) -> None:
    write("begun")
    while not services.asked_to_stop():
        time.sleep(0.05)
    write("told")
    time.sleep(0.5)
    write("ended")


def failing(_: Services) -> None:
    raise ValueError("it cannot be done")


def kind(run: Callable[[Services], None]) -> JobKind:
    return JobKind(run.__name__, None, run)


worker.kinds = lambda: {run.__name__: kind(run) for run in (quick, slow, endless, patient, failing)}
settings = Settings(home=FOLDER, redis_url=URL, log_format="json", worker_stop_seconds=float(sys.argv[3]))
sys.exit(worker.run(settings, build=Services))
