"""Tells webhooks what happened, in a worker that does nothing else: it waits for other people's servers."""

from tollhouse.domain.ports import WEBHOOKS_QUEUE
from tollhouse.jobs.registry import Services

KIND = "deliver_webhooks"
EVERY = "deliver_webhooks_seconds"
QUEUE = WEBHOOKS_QUEUE
SECONDS = 3.0
"""How long a work-horse waits for more when there is nothing: to start one takes a second."""
LONGEST = 60.0
"""A work-horse begins nothing after that: another goes on."""


def is_due(services: Services) -> bool:
    return services.webhook_claims.any_due()


def run(services: Services) -> None:
    if is_due(services) and services.run_webhooks(SECONDS, LONGEST):
        services.queue.enqueue(KIND)
