"""Deletes stored responses whose time is over."""

from tollhouse import logs
from tollhouse.jobs.registry import Services

KIND = "expire_responses"
EVERY = "expire_responses_seconds"


def run(services: Services) -> None:
    if deleted := services.stored_responses.expire():
        logs.event("responses_expired", responses=deleted)
