"""Works off batches: what is due of all of them, fair between teams; then it says that there is more."""

from tollhouse.jobs.registry import Services

KIND = "run_batch"
EVERY = "run_batch_seconds"
SECONDS = 12.0
"""A worker that is asked to stop waits for 20 s: calls that are under way may end."""


def run(services: Services) -> None:
    if services.batches.any_open() and services.run_batches(SECONDS):
        services.queue.enqueue(KIND)
