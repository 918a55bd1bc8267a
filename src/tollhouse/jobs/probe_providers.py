"""Asks every provider whether it answers."""

from tollhouse.jobs.registry import Services

KIND = "probe_providers"
EVERY = "probe_seconds"


def run(services: Services) -> None:
    services.probes.run()
