"""Deletes the answers to requests with an Idempotency-Key whose time is over."""

from tollhouse import logs
from tollhouse.jobs.registry import Services

KIND = "expire_idempotency"
EVERY = "expire_idempotency_seconds"


def run(services: Services) -> None:
    if deleted := services.idempotency.expire():
        logs.event("idempotency_expired", records=deleted)
