"""The part of the wiring that is about work that outlives its request: files, batches, responses."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from tollhouse.domain.ports import BatchHosts, Blobs, JobQueue, Outside
from tollhouse.outside import interruptible, outside_the_loop
from tollhouse.services.background.call import BackgroundCall
from tollhouse.services.background.claims import Claims
from tollhouse.services.background.run import BackgroundRun
from tollhouse.services.batches.batches import Batches
from tollhouse.services.batches.call import Open
from tollhouse.services.batches.files import Files
from tollhouse.services.batches.handover.choice import HandoverChoice
from tollhouse.services.batches.handover.run import HandoverMeans, HandoverRun
from tollhouse.services.batches.lines import BatchLines
from tollhouse.services.batches.message_batches import MessageBatches
from tollhouse.services.batches.output import BatchOutput
from tollhouse.services.batches.run import BatchRun
from tollhouse.services.batches.tasks import BatchTasks
from tollhouse.services.batches.validation import BatchValidation
from tollhouse.services.keys.authentication import Authentication
from tollhouse.services.models.catalogue import CatalogueReader
from tollhouse.services.outbox import Outbox
from tollhouse.services.responses.responses import Responses
from tollhouse.services.responses.stored_responses import StoredResponses
from tollhouse.settings import Settings
from tollhouse.store.database import Database
from tollhouse.store.local_blobs import LocalBlobs
from tollhouse.store.s3_blobs import S3Blobs, check_installed

FILES = "files"
"""Folder of the home that has the content of files."""


@dataclass(frozen=True, slots=True)
class Calling:
    """What a run needs of a process that makes calls: where those of an endpoint go, and whose they are. Each thread
    that calls ends with `end_thread`.
    """

    open: Callable[[str], Open]
    responses: Responses
    catalogue: CatalogueReader
    hosts: BatchHosts
    owner: str
    end_thread: Callable[[], None]


class Work(ABC):
    """Services of a process, each made when it is first asked for."""

    settings: Settings
    asked_to_stop: Callable[[], bool] = staticmethod(lambda: False)
    """Whether this process is: nothing more is begun then."""

    @property
    @abstractmethod
    def database(self) -> Database: ...

    @property
    @abstractmethod
    def authentication(self) -> Authentication: ...

    @property
    @abstractmethod
    def outside(self) -> Outside: ...

    @property
    @abstractmethod
    def queue(self) -> JobQueue: ...

    @property
    @abstractmethod
    def outbox(self) -> Outbox: ...

    @property
    @abstractmethod
    def stored_responses(self) -> StoredResponses: ...

    @property
    @abstractmethod
    def _calling(self) -> Calling: ...

    @cached_property
    def files(self) -> Files:
        return Files(self.database, self.blobs)

    @cached_property
    def blobs(self) -> Blobs:
        settings = self.settings
        if not settings.files_url:
            return LocalBlobs(settings.home / FILES, outside_the_loop())
        check_installed("TOLLHOUSE_FILES_URL")
        return S3Blobs.at(settings.files_url, settings)

    @cached_property
    def batches(self) -> Batches:
        # The kind's name, and not the kind: wiring knows no more of jobs than that they are woken.
        return Batches(self.database, lambda: self.queue.enqueue("run_batch"), lambda: self.queue.enqueue("hand_over"))

    @cached_property
    def message_batches(self) -> MessageBatches:
        catalogue = self._calling.catalogue
        return MessageBatches(
            self.database, self.batches, self.files, lambda: catalogue.current, self.handover_choice, self.outside
        )

    @cached_property
    def handover_choice(self) -> HandoverChoice:
        refuses = self.settings.unknown_price == "refuse"
        return HandoverChoice(self._calling.hosts, self.settings.provider_batch, refuse_unpriced=refuses)

    def run_batches(self, seconds: float) -> bool:
        """Work on batches for about so long; whether there is more. Begins to make calls in this process."""
        calling = self._calling
        validation = BatchValidation(
            self.database,
            self.blobs,
            self.authentication,
            calling.catalogue,
            longest_line=self.settings.max_body_bytes,
            outbox=self.outbox,
            choice=self.handover_choice,
        )
        tasks = BatchTasks(
            self.database,
            self.blobs,
            self.authentication,
            validation,
            BatchOutput(self.database, self.files, self.outbox),
            owner=calling.owner,
            open=calling.open,
        )
        run = BatchRun(
            tasks,
            BatchLines(self.database, calling.owner),
            concurrency=self.settings.batch_concurrency,
            attempts=self.settings.batch_attempts,
            end_thread=calling.end_thread,
            asked_to_stop=self.asked_to_stop,
        )
        return run.work(seconds)

    def run_handovers(self, seconds: float) -> bool:
        """Work on what goes to providers' own batches for about so long; whether there is more to do at once."""
        calling = self._calling
        means = HandoverMeans(
            self.database,
            self.blobs,
            self.authentication,
            calling.catalogue,
            calling.hosts,
            self.handover_choice,
            BatchOutput(self.database, self.files),
            calling.responses,
            self.stored_responses,
            wake=lambda: self.queue.enqueue("run_batch"),
            owner=calling.owner,
            longest_line=self.settings.max_reply_bytes,
            longest_poll=self.settings.provider_batch_poll_seconds,
            asked_to_stop=self.asked_to_stop,
        )
        return HandoverRun(means).work(seconds)

    def background_open(self) -> bool:
        """Whether a response in the background has not ended."""
        return Claims(self.database, self.stored_responses, "").any_open()

    def run_responses(self, seconds: float) -> bool:
        """Make responses in the background, until none has been due for so long; whether there is more."""
        calling = self._calling
        run = BackgroundRun(
            Claims(self.database, self.stored_responses, calling.owner),
            BackgroundCall(calling.responses),
            self.authentication,
            concurrency=self.settings.background_concurrency,
            attempts=self.settings.background_attempts,
            interruptible=interruptible,
            end_thread=calling.end_thread,
            asked_to_stop=self.asked_to_stop,
        )
        return run.work(seconds)
