"""What an interface of batches is that a host has of its own: how lines are sent, and how results are read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tollhouse.domain.form import Spool
from tollhouse.domain.ports import Errand

State = Literal["working", "ended", "refused"]
PIECE = 65_536


@dataclass(frozen=True, slots=True)
class HostBatch:
    """A batch as its host shows it. `mark` is what was said of it when it was sent, where the interface keeps that.

    `state` is "refused" where none of its lines was looked at, and `reason` then says why; `told` is the host's own
    word. `whole` says that the host means to have answered every line.
    """

    id: str
    state: State
    told: str
    counts: Mapping[str, int]
    whole: bool = False
    mark: str | None = None
    reason: str = ""
    created_at: float = 0.0
    outputs: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class HostResult:
    """What became of one line. `status` is 0 where no answer was made: `told` says why, as "expired" or "cancelled"."""

    custom_id: str
    status: int
    body: bytes = b""
    told: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of a host's batches, the newest first. `after` asks for the next, None where there is none."""

    batches: Sequence[HostBatch] = field(default_factory=tuple)
    after: str | None = None


class BatchInterface(Protocol):
    """One vendor's interface. Stateless. What reads raises ValueError for what is no such document."""

    name: str
    endpoints: Mapping[str, str]
    """By the format of the lines, the endpoint that they are for."""
    most_lines: int
    most_bytes: int
    most_inputs: int
    """Of all lines together, as `inputs` counts them."""
    head: bytes
    between: bytes
    tail: bytes
    """What is written before, between and after the lines."""
    uploads: bool
    """Whether the lines go up as a file, of which a batch is then made."""

    def inputs(self, body: Mapping[str, Any]) -> int:
        """For how many a line counts."""

    def line(self, custom_id: str, format: str, body: bytes) -> bytes: ...

    def send(self, spool: Spool, size: int, mark: str) -> Errand:
        """The lines, which are in the spool."""

    def read_file(self, document: Any) -> str:
        """The id of what was uploaded."""

    def create(self, file_id: str, format: str, mark: str) -> Errand:
        """A batch of what was uploaded."""

    def look(self, batch_id: str) -> Errand: ...

    def cancel(self, batch_id: str) -> Errand: ...

    def page(self, after: str | None) -> Errand: ...

    def results(self, batch: HostBatch) -> Sequence[Errand]: ...

    def clear(self, batch: HostBatch, file_id: str | None) -> Sequence[Errand]:
        """Leave nothing there of what was sent and answered."""

    def read(self, document: Any) -> HostBatch: ...

    def read_page(self, document: Any) -> Listed: ...

    def read_result(self, line: bytes) -> HostResult: ...


class SpooledJson:
    """A long JSON body that was put aside."""

    content_type = "application/json"

    def __init__(self, spool: Spool, size: int) -> None:
        self._spool = spool
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, self._size, PIECE):
            yield self._spool.read(start, min(PIECE, self._size - start))


def text_of(document: Any, name: str) -> str:
    """A text that has to be there. ValueError."""
    value = document.get(name) if isinstance(document, dict) else None
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise ValueError(f"{name!r} is missing")
    return value


def counts_of(document: Any) -> dict[str, int]:
    """Those of the counts that are counts."""
    given = document.get("request_counts") if isinstance(document, dict) else None
    return {name: count for name, count in (given or {}).items() if type(count) is int and 0 <= count < 2**31}


def list_of(document: Any) -> Sequence[Any]:
    """What a list shows. ValueError."""
    given = document.get("data") if isinstance(document, dict) else None
    if not isinstance(given, list):
        raise ValueError("'data' is missing")
    return given
