"""What goes wrong with a reply that has begun: kept for the ledger, logged once, and told as an event of its stream."""

from tollhouse import logs
from tollhouse.domain.errors import TollhouseError, UpstreamRejected
from tollhouse.wire import completion, json_text
from tollhouse.wire.dialects import error_event, response_error_event
from tollhouse.wire.format import Meter
from tollhouse.wire.framing import UNREADABLE
from tollhouse.wire.host_error import read_host_error


class Failures:
    """Those of one reply. `first` is the one that broke it off; a reply that was whole all the same has none."""

    def __init__(self, request_id: str, dialect: str | None, provider: str, *, numbers: bool) -> None:
        """`dialect` is None where no word of ours can stand in the reply; `numbers` says that its events have them."""
        self.dialect = dialect
        self.first: TollhouseError | None = None
        self.told = False
        """Whether the translation has told the caller of one."""
        self._request_id = request_id
        self._provider = provider
        self._numbers = numbers
        self._numbered = b""  # the last that went out with a number

    def passes(self, out: bytes) -> None:
        """This goes out to the caller."""
        if self._numbers and out.find(b'"sequence_number"') >= 0:
            self._numbered = out

    def note(self, error: TollhouseError, meter: Meter) -> None:
        """For the operator, once, and for the ledger: unless the reply was whole all the same."""
        if self.first:
            return
        logs.event("upstream_failed", level=logs.WARNING, provider=self._provider, code=error.code, error=error.message)
        if self.told or not meter.complete:
            self.first = error

    def event_of(self, error: TollhouseError, meter: Meter) -> bytes | None:
        """What tells the caller that nothing more comes; None where it knows, or cannot be told."""
        self.note(error, meter)
        if self.first is not error or meter.refused or self.told or self.dialect is None:
            return None
        told = response_error_event(error, self._numbered) if self._numbers else None
        return told or error_event(error, self.dialect, self._request_id)

    def rejection(self, meter: Meter) -> UpstreamRejected:
        """What the provider said under a status of success, as if it had said it by the status that belongs to it."""
        said = meter.said
        try:
            body = json_text.write(said)
        except TypeError:  # the writer's, of what is deeper than it goes; the reader goes deeper
            body = b""
        return UpstreamRejected(
            f"The provider {self._provider} sent {meter.problem}.",
            status=read_host_error(said).status,
            body=body,
            content_type="application/json",
        )


def unreadable(data: bytes) -> str | None:
    """What is wrong with the data of an event that a translation gave up at; None where it is not that."""
    if not data or data.startswith(b"[DONE]") or completion.read(data) is not None:
        return None
    return "an event that is nested too deep" if isinstance(json_text.read_leniently(data), dict) else UNREADABLE
