"""Tells that a budget is spent in part, or wholly."""

from tollhouse.jobs.registry import Services

KIND = "tell_budget_alerts"
EVERY = "budget_alert_seconds"


def is_due(services: Services) -> bool:
    return services.budget_alerts.any_due() or services.alert_deliveries.any_due()


def run(services: Services) -> None:
    services.budget_alerts.run()
    services.alert_deliveries.run()
