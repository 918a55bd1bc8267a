"""What a provider's batch answered is booked, and becomes the results of its lines: each once, however often read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from sqlalchemy.orm import Session

from tollhouse import crash_points, logs, metrics
from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import TollhouseError, UpstreamError, UpstreamInvalid, UpstreamRejected
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ledger import Entry, Settlement
from tollhouse.domain.usage import Usage
from tollhouse.services.batches.call import NOTHING, Answer, told_as
from tollhouse.services.batches.handover.lines import CHUNK, HandedLines, hold_id, number_of, request_id
from tollhouse.services.batches.handover.wording import LineCalls
from tollhouse.services.batches.lines import MOST_BYTES, MOST_TOGETHER, Line, Result
from tollhouse.services.calls.admission import tokens_in
from tollhouse.services.calls.recovery import attempt_of
from tollhouse.services.responses.stored_responses import NewResponse
from tollhouse.store.ledger.bulk import BulkLedger
from tollhouse.store.records import HandoverRecord, HoldRecord
from tollhouse.wire import FORMATS, json_text
from tollhouse.wire.batch import answered, not_made
from tollhouse.wire.host_batch import HostResult

UNREACHABLE = "provider_batch_unreachable"
MOST_KEPT = 32
"""Responses that one transaction keeps: several statements each, and SQLite's write lock is held that long."""


class Bookings:
    """Of one handover. Raises what the database raises, and then it is done again from the start."""

    def __init__(self, part: HandoverRecord, calls: LineCalls, lines: HandedLines, ledger: BulkLedger) -> None:
        self._part = part
        self._calls = calls
        self._lines = lines
        self._ledger = ledger
        self.mine = self.strange = self.unmade = 0
        """Results that were of this handover, and that were not; of the first, those that are no answer."""

    def take(self, results: Iterable[HostResult]) -> Iterator[int]:
        """Book them; how many, now and then. Holds a few in memory, however many there are."""
        most = min(MOST_TOGETHER, MOST_KEPT) if self._calls.format == "responses" else MOST_TOGETHER
        for group in _groups(self._known(results), most):
            self._book(group)
            yield len(group)

    def unbook(self, code: str | None, message: str) -> int:
        """The lines that are left were not made, and cost nothing: they end with this code, or, where it is None, wait
        to be called here. How many.
        """
        left = 0
        for chunk in _chunks(self._lines.of(self._part)):
            self._ledger.settle([Settlement(hold_id(self._part.id, line)) for line in chunk])
            if code is None:
                self._lines.give_back(self._part, chunk)
            else:
                self._lines.finish(self._part, [_unmade(line, code, message) for line in chunk])
                metrics.BATCH_LINES.labels("failed").inc(len(chunk))
            left += len(chunk)
        return left

    def charge(self, message: str) -> int:
        """Of the lines that are left nobody will ever say what they used: they are booked at their bounds."""
        left = 0
        for chunk in _chunks(self._lines.of(self._part)):
            held, settlements, results = self._holds(chunk), [], []
            for line in chunk:
                ended = _unmade(line, UNREACHABLE, message)
                if (hold := held.get(line.number)) is not None:
                    usage = Usage(input=hold.input_bound, estimated=True)
                    settlement = self._settled(line, hold, usage, 0, UNREACHABLE)
                    settlements.append(settlement)
                    ended = replace(ended, usage=usage, cost=settlement.entry.cost if settlement.entry else None)
                results.append(ended)
            self._ledger.settle(settlements)
            self._lines.finish(self._part, results)
            left += len(chunk)
        return left

    def _known(self, results: Iterable[HostResult]) -> Iterator[tuple[int, HostResult]]:
        for result in results:
            number = number_of(self._part.id, result.custom_id)
            if number is None:
                self.strange += 1
                continue
            self.mine += 1
            if result.status:
                yield number, result
            else:
                self.unmade += 1

    def _book(self, group: Sequence[tuple[int, HostResult]]) -> None:
        by_number = dict(group)
        lines = self._lines.some(self._part, list(by_number))
        held = self._holds(list(lines.values()))
        settlements, results = [], []
        new: dict[int, tuple[NewResponse, Answer]] = {}
        for number, line in lines.items():
            hold = held.get(number)
            answer, outcome, kept = self._answer(line, by_number[number], hold)
            if hold is not None:  # else it was booked before
                settlements.append(self._settled(line, hold, answer.usage, answer.status, outcome))
            if kept is not None:
                new[number] = kept, answer
            results.append(_result(line, answer))
        self._ledger.settle(settlements)
        crash_points.reach("handover_settled")
        self._lines.finish(self._part, results, lambda session, one: self._kept(session, one, new))
        for settlement in settlements:
            if settlement.entry is not None:
                metrics.observe_tokens(settlement.entry)
        for one in results:
            metrics.BATCH_LINES.labels("completed" if one.succeeded else "failed").inc()

    def _holds(self, lines: Sequence[Line]) -> Mapping[int, HoldRecord]:
        ids = {hold_id(self._part.id, line): line.number for line in lines}
        return {ids[id]: hold for id, hold in self._lines.held(self._part.id, list(ids)).items()}

    def _kept(self, session: Session, result: Result, new: Mapping[int, tuple[NewResponse, Answer]]) -> Result:
        """How the line ended, with what is to be kept of its answer."""
        if (found := new.get(result.line.number)) is None:
            return result
        response, answer = found
        document = json_text.read_leniently(answer.body)
        if not isinstance(document, dict) or "id" not in document:
            return result  # no response: an error, which is told as it is
        error = self._calls.keeping.keep(session, response, document)
        if error is None:
            return result
        told = told_as(error, answer.request_id, FORMATS[self._calls.format].dialect)
        return _result(result.line, replace(told, usage=answer.usage, cost=answer.cost))

    def _answer(
        self, line: Line, result: HostResult, hold: HoldRecord | None
    ) -> tuple[Answer, str, NewResponse | None]:
        """The line's answer as its caller sees it, how it ended as it is booked, and as what it is kept."""
        id, format = request_id(self._part.id, line), FORMATS[self._calls.format]
        name = self._part.provider
        usage, body, new = NOTHING, result.body, None
        error: UpstreamError | None = None
        if 200 <= result.status < 300:
            call, new = self._prepared(line)
            usage, problem = self._metered(call.facts if call else self._calls.facts, result, hold)
            body = self._calls.told(call, body) if call else body
            error = UpstreamInvalid(f"The provider {name} sent {problem}.") if problem else None
        else:
            said = f"The provider {name} answered with status {result.status}."
            error = UpstreamRejected(said, status=result.status, body=result.body)
        prices = self._calls.target.rates(self._calls.facts).prices_for(usage)
        cost = prices.cost(usage) if prices else None
        if error is None:
            return Answer(result.status, id, body, usage, cost), "ok", new
        outcome = error.code
        told = told_as(error, id, format.dialect)
        return Answer(told.status, id, told.body, usage, cost), outcome, None

    def _prepared(self, line: Line) -> tuple[Call | None, NewResponse | None]:
        try:
            return self._calls.prepared(line)
        except TollhouseError as error:  # as an older version read it
            logs.event("handover_line_unreadable", level=logs.WARNING, line=line.number, error=error.message)
            return None, None

    def _metered(self, facts: Facts, result: HostResult, hold: HoldRecord | None) -> tuple[Usage, str | None]:
        format = FORMATS[self._calls.format]
        meter = format.meter(facts, hold.input_bound if hold is not None else tokens_in(facts))
        meter.feed(result.body)
        meter.finish()
        return meter.usage(), meter.problem

    def _settled(self, line: Line, hold: HoldRecord, usage: Usage, status: int, outcome: str) -> Settlement:
        prices = self._calls.target.rates(self._calls.facts).prices_for(usage)
        entry = Entry(
            attempt=attempt_of(hold),
            status=status,
            outcome=outcome,
            attempts=1,
            usage=usage,
            prices=prices,
            cost=prices.cost(usage) if prices else None,
            latency_us=0,  # nobody waited, and a provider does not say
            first_token_us=None,
        )
        return Settlement(hold.id, entry)


def _result(line: Line, answer: Answer) -> Result:
    text = answered(new_id("batch_req"), line.custom_id, answer.status, answer.request_id, answer.body)
    return Result(line, answer.succeeded, text, answer.usage, answer.cost)


def _unmade(line: Line, code: str, message: str) -> Result:
    return Result(line, succeeded=False, text=not_made(new_id("batch_req"), line.custom_id, code, message))


def _groups(results: Iterable[tuple[int, HostResult]], most: int) -> Iterator[Sequence[tuple[int, HostResult]]]:
    """As many together as one transaction may write."""
    group: list[tuple[int, HostResult]] = []
    size = 0
    for number, result in results:
        if group and (len(group) == most or size + len(result.body) > MOST_BYTES):
            yield group
            group, size = [], 0
        group.append((number, result))
        size += len(result.body)
    if group:
        yield group


def _chunks(lines: Iterator[Line]) -> Iterator[Sequence[Line]]:
    chunk: list[Line] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
