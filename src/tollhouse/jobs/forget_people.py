"""Takes out of tables that stay what names people who were deleted."""

from tollhouse import logs
from tollhouse.jobs.registry import Services

KIND = "forget_people"
EVERY = "forget_seconds"


def is_due(services: Services) -> bool:
    return services.forgetting.any_due()


def run(services: Services) -> None:
    if forgotten := services.forgetting.run():
        logs.event("people_forgotten", people=forgotten)
