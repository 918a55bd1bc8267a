"""The part of the wiring that is about what was used: reports, searches, a person's data."""

from abc import ABC, abstractmethod
from functools import cached_property

from tollhouse.outside import outside_the_loop
from tollhouse.services.forgetting import Forgetting
from tollhouse.services.personal_data import PersonalDataOf
from tollhouse.services.replay import Replay
from tollhouse.services.requests import RequestLog
from tollhouse.services.roll_up import RollUp
from tollhouse.services.usage import UsageReport
from tollhouse.settings import Settings
from tollhouse.store.database import Database
from tollhouse.store.searches import Searches

SEARCHES_AT_ONCE = 2
"""Threads that search the ledger: what they read competes with the calls for this machine."""


class Reports(ABC):
    """Services of a process, each made when it is first asked for."""

    settings: Settings
    process: str

    @property
    @abstractmethod
    def database(self) -> Database: ...

    @cached_property
    def searches(self) -> Searches:
        seconds = self.settings.search_seconds if self.process == "web" else None
        return Searches(self.database, outside_the_loop(SEARCHES_AT_ONCE), seconds)

    @cached_property
    def usage(self) -> UsageReport:
        return UsageReport(self.searches)

    @cached_property
    def requests(self) -> RequestLog:
        return RequestLog(self.searches)

    @cached_property
    def personal_data(self) -> PersonalDataOf:
        return PersonalDataOf(self.database, self.usage)

    @cached_property
    def forgetting(self) -> Forgetting:
        return Forgetting(self.database)

    @cached_property
    def replay(self) -> Replay:
        return Replay(self.database)

    @cached_property
    def roll_up(self) -> RollUp:
        return RollUp(self.database)
