"""The meter of a reply that is one JSON document, in any format."""

from collections.abc import Callable, Mapping
from typing import Any

from tollhouse.domain.usage import Usage
from tollhouse.wire import json_text
from tollhouse.wire.answers import Fault
from tollhouse.wire.vocabulary import BYTES_PER_TOKEN


class WholeMeter:
    """Knows nothing until the document is complete, and then everything. `fault` is what is wrong with a document that
    is no answer; what it says that it used counts all the same.
    """

    def __init__(
        self,
        read_usage: Callable[[Mapping[str, Any]], Usage],
        input_bound: int,
        *,
        generates: bool,
        fault: Fault,
    ) -> None:
        self.started = self.complete = self.first_token = self.refused = False
        self.problem: str | None = None
        self.said: Any = None
        self._read_usage = read_usage
        self._input_bound = input_bound
        self._generates = generates
        self._fault = fault
        self._frames: list[bytes] = []
        self._size = 0
        self._usage: Usage | None = None

    def feed(self, frame: bytes) -> None:
        self._frames.append(frame)
        self._size += len(frame)

    def finish(self) -> None:
        document = json_text.read_leniently(b"".join(self._frames))
        self._frames.clear()
        if not isinstance(document, dict):
            self.problem = "an answer that is not a JSON object"
        elif document.get("error"):
            self.problem, self.refused, self.said = "an error under a status of success", True, document
        else:
            if wrong := self._fault(document):
                self.problem = f"an answer whose {wrong!r} is missing or wrong"
            else:
                self.started = self.complete = self.first_token = True
            usage = document.get("usage")
            # Every call has a prompt: a usage without one is a host's placeholder and tells nothing.
            if isinstance(usage, dict) and (told := self._read_usage(usage)).prompt:
                self._usage = told

    def usage(self) -> Usage:
        if self._usage is not None:
            return self._usage
        output = -(-self._size // BYTES_PER_TOKEN) if self._generates else 0
        return Usage(input=self._input_bound, output=output, estimated=True)
