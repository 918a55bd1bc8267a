"""Deletes deliveries to webhooks whose days are over."""

from tollhouse import logs
from tollhouse.jobs.registry import Services

KIND = "expire_deliveries"
EVERY = "expire_deliveries_seconds"


def run(services: Services) -> None:
    if deleted := services.webhook_deliveries.expire():
        logs.event("deliveries_expired", deliveries=deleted)
