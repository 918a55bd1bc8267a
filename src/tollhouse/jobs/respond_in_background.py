"""Makes the responses that were asked for with `background`, in a worker that does nothing else."""

from tollhouse.domain.ports import RESPONSES_QUEUE
from tollhouse.jobs.registry import Services

KIND = "respond_in_background"
EVERY = "respond_seconds"
QUEUE = RESPONSES_QUEUE
SECONDS = 12.0
"""How long a work-horse waits for more when there is nothing: to start one takes longer than to make most responses."""


def run(services: Services) -> None:
    if services.background_open():
        services.run_responses(SECONDS)
