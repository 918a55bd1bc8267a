"""The part of the wiring that is about what was used: reports, searches, a person's data."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from tollhouse import table_files
from tollhouse.domain.errors import UpstreamRejected
from tollhouse.domain.ports import Blobs, JobQueue, Mailer, Vault, at_once
from tollhouse.domain.tables import Table, TableFormat
from tollhouse.outside import outside_the_loop
from tollhouse.providers.courier import HttpCourier
from tollhouse.providers.proxy import Proxy
from tollhouse.services.payloads import Payloads
from tollhouse.services.privacy.forgetting import Forgetting
from tollhouse.services.privacy.personal_data import PersonalDataOf
from tollhouse.services.reports.replay import Replay
from tollhouse.services.reports.report_delivery import ReportDelivery
from tollhouse.services.reports.reports import Reports as ReportTables
from tollhouse.services.reports.response_times import ResponseTimes
from tollhouse.services.reports.roll_up import RollUp
from tollhouse.services.reports.scheduled_reports import ScheduledReports
from tollhouse.services.reports.usage import UsageReport
from tollhouse.services.requests.requests import RequestLog
from tollhouse.settings import Settings
from tollhouse.store.archive import Archive
from tollhouse.store.archiving import Archiving
from tollhouse.store.database import Database
from tollhouse.store.local_blobs import LocalBlobs
from tollhouse.store.s3_blobs import S3Blobs, check_installed
from tollhouse.store.sealed_boxes import SealedBoxes
from tollhouse.store.searches import Searches
from tollhouse.wire import json_text

ARCHIVE = "archive"
"""Folder of the home, for rows of the ledger that are too old for it."""
SEARCHES_AT_ONCE = 2
"""Threads that search the ledger: what they read competes with the calls for this machine."""
POST_SECONDS = 15.0
"""How long the receiver of a report may take to answer."""


class Reports(ABC):
    """Services of a process, each made when it is first asked for."""

    settings: Settings
    process: str

    @property
    @abstractmethod
    def database(self) -> Database: ...

    @property
    @abstractmethod
    def queue(self) -> JobQueue: ...

    @property
    @abstractmethod
    def _mailer(self) -> Mailer: ...

    @property
    @abstractmethod
    def _vault(self) -> Vault: ...

    @cached_property
    def searches(self) -> Searches:
        seconds = self.settings.search_seconds if self.process == "web" else None
        return Searches(self.database, outside_the_loop(SEARCHES_AT_ONCE), seconds)

    @cached_property
    def usage(self) -> UsageReport:
        return UsageReport(self.searches, self.archive)

    @cached_property
    def reports(self) -> ReportTables:
        return ReportTables(self.database, self.usage, ResponseTimes(self.searches, self.archive))

    @cached_property
    def report_delivery(self) -> ReportDelivery:
        return ReportDelivery(self.database, self.reports, self.write_table, self._mailer, self._post_report)

    @cached_property
    def scheduled_reports(self) -> ScheduledReports:
        return ScheduledReports(
            self.database,
            self.report_delivery,
            check_url=self._report_courier.check,
            has_mail=bool(self.settings.smtp_url),
            wake=lambda: self.queue.enqueue("deliver_reports"),
        )

    def write_table(self, table: Table, format: TableFormat) -> bytes:
        """A file of it, made where that takes no memory of this process for good."""
        return table_files.write_apart(table, format)

    def _post_report(self, url: str, document: Mapping[str, Any]) -> None:
        status = self._report_courier.bring(url, {}, json_text.write(document)).status
        if not 200 <= status < 300:
            raise UpstreamRejected(
                f"The receiver answered with status {status}.", status=status, body=b"", content_type=""
            )

    @cached_property
    def _report_courier(self) -> HttpCourier:
        return HttpCourier(
            self.settings.report_private == "on",
            POST_SECONDS,
            allowed_by="TOLLHOUSE_REPORT_PRIVATE=on allows it",
            proxy=Proxy.of(self.settings),
            ca_bundle=self.settings.ca_bundle,
        )

    @cached_property
    def archive(self) -> Archive:
        return Archive(self._archive_stores)

    @cached_property
    def archiving(self) -> Archiving:
        return Archiving(self.database, self._archive_bucket or self._archive_folder)

    @contextmanager
    def _archive_stores(self) -> Iterator[list[Blobs]]:
        """Where it is written, and then where it was before there was a bucket."""
        bucket = self._archive_bucket
        if bucket is None:
            yield [self._archive_folder]
            return
        with closing(bucket):
            yield [bucket, self._archive_folder]

    @property
    def _archive_bucket(self) -> S3Blobs | None:
        """One of its own each time."""
        if not self.settings.archive_url:
            return None
        check_installed("TOLLHOUSE_ARCHIVE_URL")
        return S3Blobs.at(self.settings.archive_url, self.settings)

    @property
    def _archive_folder(self) -> LocalBlobs:
        named = self.settings.archive_folder
        return LocalBlobs(Path(named) if named else self.settings.home / ARCHIVE, at_once)

    @cached_property
    def requests(self) -> RequestLog:
        return RequestLog(self.searches, self.payloads)

    @cached_property
    def boxes(self) -> SealedBoxes:
        return SealedBoxes(self._vault)

    @cached_property
    def payloads(self) -> Payloads:
        return Payloads(self.database, self.boxes, failed_days=self.settings.failed_request_days)

    @cached_property
    def personal_data(self) -> PersonalDataOf:
        return PersonalDataOf(self.database, self.usage)

    @cached_property
    def forgetting(self) -> Forgetting:
        return Forgetting(self.database)

    @cached_property
    def replay(self) -> Replay:
        return Replay(self.database, self.archive)

    @cached_property
    def roll_up(self) -> RollUp:
        return RollUp(self.database)
