"""Makes the responses that were asked for with `background`, in a worker that does nothing else."""

from tollhouse.domain.ports import RESPONSES_QUEUE
from tollhouse.jobs.registry import Services

KIND = "respond_in_background"
EVERY = "respond_seconds"
QUEUE = RESPONSES_QUEUE
SECONDS = 3.0
"""How long a work-horse waits for more when there is nothing: to start one takes a second, and who stops the gateway
waits for it.
"""


def is_due(services: Services) -> bool:
    return services.background_open()


def run(services: Services) -> None:
    if is_due(services) and services.run_responses(SECONDS) and services.asked_to_stop():
        services.queue.enqueue(KIND)  # for another worker
