"""Hands batches over to their providers' own batch interfaces, asks how they get on, and takes what comes of them."""

from tollhouse.domain.ports import BATCHES_QUEUE
from tollhouse.jobs.registry import Services

KIND = "hand_over"
EVERY = "hand_over_seconds"
QUEUE = BATCHES_QUEUE
SECONDS = 12.0


def is_due(services: Services) -> bool:
    return services.batches.any_elsewhere()


def run(services: Services) -> None:
    if is_due(services) and services.run_handovers(SECONDS):
        services.queue.enqueue(KIND)
