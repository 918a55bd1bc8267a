"""Deletes what is left of background work that has ended long ago."""

from tollhouse import logs
from tollhouse.jobs.registry import Services

KIND = "expire_jobs"
EVERY = "expire_jobs_seconds"


def run(services: Services) -> None:
    deleted = services.ended_work.expire()
    if any(deleted.values()):
        logs.event(
            "jobs_expired",
            event_logs=deleted["event_logs"],
            batches=deleted["batches"],
            schedule_runs=deleted["schedule_runs"],
        )
