"""The part of the wiring that is about what runs in the background: schedules, and the list of all of it."""

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from tollhouse.domain.routes import Catalogue
from tollhouse.services.jobs.background_jobs import BackgroundJobs
from tollhouse.services.jobs.ended_work import EndedWork
from tollhouse.services.jobs.sources import BatchSource, JobSource, ReportSource, ResponseSource, RunSource
from tollhouse.services.models.catalogue import CatalogueReader
from tollhouse.services.reports.scheduled_reports import ScheduledReports
from tollhouse.services.schedules.kinds import BatchKind, PromptKind, ReportKind, ScheduleKind
from tollhouse.services.schedules.runs import ScheduleRuns
from tollhouse.services.schedules.schedules import Schedules
from tollhouse.wiring_batches import Work

if TYPE_CHECKING:
    from tollhouse.wiring_serving import Serving


class Planned(Work):
    """Services of a process, each made when it is first asked for."""

    _serving: "Serving | None"

    @property
    @abstractmethod
    def snapshot(self) -> CatalogueReader: ...

    @property
    @abstractmethod
    def scheduled_reports(self) -> ScheduledReports: ...

    @abstractmethod
    def serve(self) -> "Serving": ...

    @cached_property
    def schedules(self) -> Schedules:
        return Schedules(self.database, self.authentication, self._schedule_kinds)

    @cached_property
    def schedule_runs(self) -> ScheduleRuns:
        return ScheduleRuns(
            self.database,
            self.authentication,
            self._schedule_kinds,
            lambda: self.queue.enqueue("start_scheduled"),
        )

    @cached_property
    def background_jobs(self) -> BackgroundJobs:
        sources: list[JobSource] = [
            BatchSource(self.batches, "batch", "batch"),
            BatchSource(self.batches, "message_batch", "msgbatch"),
            ResponseSource(self.database, self.stored_responses),
            ReportSource(self.database),
            RunSource(),
        ]
        return BackgroundJobs(self.database, sources)

    @cached_property
    def ended_work(self) -> EndedWork:
        return EndedWork(
            self.database,
            events_days=self.settings.response_events_days,
            batches_days=self.settings.batches_days,
            runs_days=self.settings.schedule_runs_days,
        )

    @cached_property
    def _schedule_kinds(self) -> Mapping[str, ScheduleKind]:
        kinds: list[ScheduleKind] = [
            PromptKind(self._catalogue, lambda: self.serve().background),
            BatchKind(self.database, self.batches),
            ReportKind(self.scheduled_reports),
        ]
        return {kind.name: kind for kind in kinds}

    def _catalogue(self) -> Catalogue:
        # Who makes no calls reads it once.
        return (self._serving.catalogue if self._serving is not None else self.snapshot).current
