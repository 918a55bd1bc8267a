"""The kinds of background work there are."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from tollhouse import jobs
from tollhouse.domain.ports import QUEUE

if TYPE_CHECKING:
    from tollhouse.domain.ports import JobQueue
    from tollhouse.services.batches.batches import Batches
    from tollhouse.services.batches.files import Files
    from tollhouse.services.jobs.ended_work import EndedWork
    from tollhouse.services.keys.events import ExpiringKeys
    from tollhouse.services.models.probes import Probes
    from tollhouse.services.money.alert_deliveries import AlertDeliveries
    from tollhouse.services.money.budget_alerts import BudgetAlerts
    from tollhouse.services.payloads import Payloads
    from tollhouse.services.privacy.forgetting import Forgetting
    from tollhouse.services.repeats.idempotency import Idempotency
    from tollhouse.services.reports.roll_up import RollUp
    from tollhouse.services.reports.scheduled_reports import ScheduledReports
    from tollhouse.services.responses.stored_responses import StoredResponses
    from tollhouse.services.schedules.runs import ScheduleRuns
    from tollhouse.services.webhooks.claims import WebhookClaims
    from tollhouse.services.webhooks.deliveries import WebhookDeliveries
    from tollhouse.settings import Settings
    from tollhouse.store.archiving import Archiving


class Services(Protocol):
    """What kinds need of the services."""

    @property
    def roll_up(self) -> "RollUp": ...

    @property
    def stored_responses(self) -> "StoredResponses": ...

    @property
    def idempotency(self) -> "Idempotency": ...

    @property
    def settings(self) -> "Settings": ...

    @property
    def archiving(self) -> "Archiving": ...

    @property
    def payloads(self) -> "Payloads": ...

    @property
    def probes(self) -> "Probes": ...

    @property
    def budget_alerts(self) -> "BudgetAlerts": ...

    @property
    def alert_deliveries(self) -> "AlertDeliveries": ...

    @property
    def files(self) -> "Files": ...

    @property
    def ended_work(self) -> "EndedWork": ...

    @property
    def schedule_runs(self) -> "ScheduleRuns": ...

    @property
    def scheduled_reports(self) -> "ScheduledReports": ...

    @property
    def forgetting(self) -> "Forgetting": ...

    @property
    def batches(self) -> "Batches": ...

    def asked_to_stop(self) -> bool:
        """Whether the worker is: nothing more is begun then."""

    def background_open(self) -> bool:
        """Whether a response in the background has not ended."""

    def run_responses(self, seconds: float) -> bool:
        """Make responses in the background, until none has been due for so long; whether there is more."""

    @property
    def queue(self) -> "JobQueue": ...

    def run_batches(self, seconds: float) -> bool:
        """Work on batches for about so long; whether there is more."""

    def run_handovers(self, seconds: float) -> bool:
        """Work on what goes to providers' own batches for about so long; whether there is more to do at once."""

    @property
    def expiring_keys(self) -> "ExpiringKeys": ...

    @property
    def webhook_claims(self) -> "WebhookClaims": ...

    @property
    def webhook_deliveries(self) -> "WebhookDeliveries": ...

    def run_webhooks(self, seconds: float, longest: float) -> bool:
        """Deliver to webhooks, until nothing has been due for so long; whether there is more."""


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind of work. `every` names the setting of its interval in seconds, None where only a wake-up starts it;
    `queue` the workers that do it; `is_due` tells the scheduler whether there is anything to do: for nothing no
    work-horse is started, which takes a second of a processor.
    """

    name: str
    every: str | None
    run: Callable[[Any], None]
    queue: str = QUEUE
    is_due: Callable[[Any], bool] = lambda services: True


@cache
def kinds() -> Mapping[str, JobKind]:
    """Every kind by its name: the files of this folder that have a KIND."""
    found: dict[str, JobKind] = {}
    for file in pkgutil.iter_modules(jobs.__path__, f"{jobs.__name__}."):
        module = importlib.import_module(file.name)
        if hasattr(module, "KIND"):
            more = {name.lower(): getattr(module, name) for name in ("QUEUE", "is_due") if hasattr(module, name)}
            found[module.KIND] = JobKind(module.KIND, module.EVERY, module.run, **more)
    return found
