"""Tells webhooks of keys that end soon."""

from tollhouse.jobs.registry import Services

KIND = "tell_expiring_keys"
EVERY = "expiring_keys_seconds"


def run(services: Services) -> None:
    services.expiring_keys.run()
