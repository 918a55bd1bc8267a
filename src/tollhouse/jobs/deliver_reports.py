"""Sends the reports of schedules that are due."""

from tollhouse.jobs.registry import Services

KIND = "deliver_reports"
EVERY = "deliver_reports_seconds"
WORK_SECONDS = 15.0


def is_due(services: Services) -> bool:
    return services.scheduled_reports.any_due()


def run(services: Services) -> None:
    if services.scheduled_reports.send_due(WORK_SECONDS) and not services.asked_to_stop():
        services.queue.enqueue(KIND)
