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
from tollhouse.kv import wake_up_worker
from tollhouse.settings import Settings

URL, FOLDER = sys.argv[1], Path(sys.argv[2])


class Services:
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


def failing(_: Services) -> None:
    raise ValueError("it cannot be done")


def kind(run: Callable[[Services], None]) -> JobKind:
    return JobKind(run.__name__, None, run)


wake_up_worker.STOP_SECONDS = float(sys.argv[3])
worker.kinds = lambda: {run.__name__: kind(run) for run in (quick, slow, endless, failing)}
sys.exit(worker.run(Settings(home=FOLDER, redis_url=URL, log_format="json"), build=Services))
