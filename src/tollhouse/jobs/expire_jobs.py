"""Deletes what is left of background work that has ended long ago."""

from tollhouse import logs
from tollhouse.jobs.registry import Services

KIND = "expire_jobs"
EVERY = "expire_jobs_seconds"


def run(services: Services) -> None:
    if any((deleted := services.ended_work.expire()).values()):
        logs.event("jobs_expired", **deleted)
