"""Works off batches: what is due of all of them, fair between teams; then it says that there is more."""

from tollhouse.domain.ports import BATCHES_QUEUE
from tollhouse.jobs.registry import Services

KIND = "run_batch"
EVERY = "run_batch_seconds"
QUEUE = BATCHES_QUEUE
SECONDS = 60.0
"""Between two runs a new work-horse needs a second or two, in which nothing is called."""


def is_due(services: Services) -> bool:
    return services.batches.any_open()


def run(services: Services) -> None:
    if is_due(services) and services.run_batches(SECONDS):
        services.queue.enqueue(KIND)
