"""The part of the wiring that is about work that outlives its request: files and batches."""

from abc import ABC, abstractmethod
from functools import cached_property

from tollhouse.domain.ports import Blobs
from tollhouse.outside import outside_the_loop
from tollhouse.services.files import Files
from tollhouse.settings import Settings
from tollhouse.store.database import Database
from tollhouse.store.local_blobs import LocalBlobs

FILES = "files"
"""Folder of the home that has the content of files."""


class Work(ABC):
    """Services of a process, each made when it is first asked for."""

    settings: Settings

    @property
    @abstractmethod
    def database(self) -> Database: ...

    @cached_property
    def files(self) -> Files:
        return Files(self.database, self.blobs)

    @cached_property
    def blobs(self) -> Blobs:
        return LocalBlobs(self.settings.home / FILES, outside_the_loop())
