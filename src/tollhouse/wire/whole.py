"""The meter of a reply that is one JSON document, in any format."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tollhouse.domain.call import Facts
from tollhouse.domain.usage import Usage
from tollhouse.wire import json_text
from tollhouse.wire.answers import Fault
from tollhouse.wire.token_estimate import estimate_input
from tollhouse.wire.vocabulary import BYTES_PER_TOKEN


class WholeMeter:
    """Knows nothing until the document is complete, and then everything. `fault` is what is wrong with a document that
    is no answer; what it says that it used counts all the same. `said` is how many bytes an answer says: what a host
    does not tell of its usage is estimated by these, and by the request's.
    """

    def __init__(
        self,
        read_usage: Callable[[Mapping[str, Any]], Usage],
        facts: Facts,
        input_bound: int,
        *,
        fault: Fault,
        said: Callable[[Mapping[str, Any]], int] | None = None,
    ) -> None:
        self.started = self.complete = self.first_token = self.refused = False
        self.problem: str | None = None
        self.said: Any = None
        self._read_usage = read_usage
        self._facts = facts
        self._input_bound = input_bound
        self._fault = fault
        self._count_said = said
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
            told = self._told(document)
            if wrong := self._fault(document):
                self.problem = f"an answer whose {wrong!r} is missing or wrong"
                self._usage = told
            else:
                self.started = self.complete = self.first_token = True
                self._usage = told or self._estimated(document)

    def usage(self) -> Usage:
        if self._usage is not None:
            return self._usage
        output = -(-self._size // BYTES_PER_TOKEN) if self._facts.generates else 0
        return Usage(input=self._input_bound, output=output, estimated=True)

    def _told(self, document: Mapping[str, Any]) -> Usage | None:
        usage = document.get("usage")
        if not isinstance(usage, dict):
            return None
        # Every call has a prompt: a usage without one is a placeholder, in which only an output above zero tells
        # something.
        if (told := self._read_usage(usage)).prompt:
            return told
        # Without the prompt, a total does not tell what of it is output.
        told = self._read_usage({**usage, "total_tokens": None})
        if not told.output:
            return None
        return replace(told, input=estimate_input(self._facts, self._input_bound), estimated=True)

    def _estimated(self, document: Mapping[str, Any]) -> Usage:
        output = -(-self._count_said(document) // BYTES_PER_TOKEN) if self._count_said else 0
        return Usage(input=estimate_input(self._facts, self._input_bound), output=output, estimated=True)
