"""The calls of lines that are handed over, as their provider takes them."""

from collections.abc import Callable
from dataclasses import replace

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.ports import OpenBlob
from tollhouse.domain.routes import Host, Manners, Target
from tollhouse.services.batches.handover.keeping import Keeping
from tollhouse.services.batches.handover.lines import hold_id, request_id
from tollhouse.services.batches.handover.terms import Terms
from tollhouse.services.batches.lines import Line
from tollhouse.services.calls.admission import cap_of
from tollhouse.services.calls.translation import Choice, word
from tollhouse.services.responses.stored_responses import NewResponse
from tollhouse.store.records import BatchRecord, HandoverRecord
from tollhouse.wire import PAIRS
from tollhouse.wire.batch import ENDPOINTS, read_line
from tollhouse.wire.host_batch import BatchInterface
from tollhouse.wire.host_batches import INTERFACES


class LineCalls:
    """Of one handover. Each line is written the same, whoever writes it, and how often."""

    def __init__(
        self,
        batch: BatchRecord,
        part: HandoverRecord,
        host: Host,
        blob: OpenBlob,
        manners: Callable[[Host], Manners],
        keeping: Keeping,
    ) -> None:
        self.format = ENDPOINTS[batch.endpoint]
        self.interface: BatchInterface = INTERFACES[part.interface]
        self.target: Target = Terms.read(part.terms).target(host, self.format)
        self.facts = Facts(self.target.model, 0, batched=True)
        """Of no line: what all of them are priced by."""
        self._batch = batch
        self._part = part
        self._blob = blob
        self._manners = manners
        self.keeping = keeping

    def call(self, line: Line) -> Call:
        """Raises TollhouseError where it is none any more, or none that a provider can be asked for."""
        return self.prepared(line)[0]

    def prepared(self, line: Line) -> tuple[Call, NewResponse | None]:
        """With what is kept of its answer, None where nothing is. Raises what `call` does."""
        text = self._blob.read(line.start, line.size)
        _, body, facts = read_line(text, self._batch.endpoint)
        facts = replace(facts, model=self.target.model, batched=True)
        call = Call(request_id(self._part.id, line), self.format, body, facts, tags=tuple(self._batch.tags))
        if self.format != "responses":
            return call, None
        prepared = self.keeping.prepared(call)
        return prepared.call, prepared.new

    def choice(self, call: Call) -> Choice:
        """The call as the provider takes it. Raises BadRequest where it cannot."""
        (choice,) = word(call, [self.target], self._manners)
        return choice

    def told(self, call: Call, body: bytes) -> bytes:
        """The provider's answer as the call's caller gets it."""
        converter = PAIRS[call.format, call.format].converter(call)
        return converter.feed(body) + converter.finish()

    def written(self, line: Line, call: Call, choice: Choice) -> bytes:
        """The line that the provider gets."""
        target, wording = choice
        said = wording.call
        cap = cap_of(call.facts, [target]) if self._part.capped and call.facts.generates else None
        body = wording.format.write(said, target, cap, self._manners(target.host))
        if not isinstance(body, bytes):
            raise AssertionError("a line is JSON")
        return self.interface.line(hold_id(self._part.id, line), self.format, body)
