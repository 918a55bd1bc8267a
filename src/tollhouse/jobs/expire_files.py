"""Deletes files whose time is over."""

from tollhouse import logs
from tollhouse.jobs.registry import Services

KIND = "expire_files"
EVERY = "expire_files_seconds"


def run(services: Services) -> None:
    if deleted := services.files.expire():
        logs.event("files_expired", files=deleted)
