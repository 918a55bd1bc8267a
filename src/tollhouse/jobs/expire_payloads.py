"""Deletes what was asked and answered once its team keeps it no longer."""

from tollhouse import logs
from tollhouse.jobs.registry import Services

KIND = "expire_payloads"
EVERY = "expire_payloads_seconds"


def run(services: Services) -> None:
    if deleted := services.payloads.expire():
        logs.event("payloads_expired", rows=deleted)
