"""Calls with an Idempotency-Key: each is made once, kept as it goes by, and given again to who asks again.

What is kept is what succeeded. What was refused or has failed is not: a client's automatic retries carry the same key,
and are to have another try. A stream is read to its end whoever has left, so that its caller can come back for it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress

from sqlalchemy.exc import SQLAlchemyError

from tollhouse import logs, metrics
from tollhouse.domain.errors import NotKept, TollhouseError
from tollhouse.services.calls.reply import Reply
from tollhouse.services.given import GivenAnswer
from tollhouse.services.repeats.claim_renewal import ClaimRenewal
from tollhouse.services.repeats.idempotency import PARAM, Answer, Claim, Idempotency
from tollhouse.wire import json_text

Headers = Sequence[tuple[str, str]]
Follow = Callable[[str], GivenAnswer]
"""The events of the response with this id, from the first on."""

REPLAYED = ("idempotency-replayed", "true")
ORIGINAL = "x-tollhouse-original-request"
COST = "x-tollhouse-cost-usd"
_OF_THE_MOMENT = ("x-ratelimit-", "anthropic-ratelimit-", "age", "retry-after", "content-length", "idempotency-")
"""Headers that were true when the reply was made."""


class Repeats:
    """Those of one process."""

    def __init__(self, idempotency: Idempotency, longest: int) -> None:
        """`longest` is the most bytes of a reply that is kept."""
        self._idempotency = idempotency
        self._longest = longest
        self._renewal = ClaimRenewal(idempotency.renew)

    def open(
        self,
        owner_id: str,
        key: str,
        fingerprint: str,
        request_id: str,
        make: Callable[[], Reply | GivenAnswer],
        follow: Follow,
        *,
        changes: bool = False,
    ) -> "Recorded | GivenAnswer":
        """What `make` opens, or what it said before. `changes`: it changes the database, and that, and the word that
        it was done, are one transaction. Raises InvalidField, KeyReused, AlreadyUnderWay, NotKept, Conflict where the
        answer was lost with its process, and what `make` raises; then nothing is kept.
        """
        try:
            claim = self._idempotency.claim(owner_id, key, fingerprint)
        except TollhouseError as error:
            metrics.IDEMPOTENT_CALLS.labels(error.code).inc()
            raise
        if isinstance(claim, Answer):
            return _given_again(claim, follow)
        self._renewal.add(claim)
        record = Record(self._idempotency, claim, request_id, self._longest, self._renewal.drop)
        try:
            with self._idempotency.riding(claim) if changes else nullcontext():
                source = make()
        except BaseException:
            record.give_up()
            raise
        return Recorded(source, record) if isinstance(source, Reply) else _kept_whole(source, record)

    def stop(self) -> None:
        self._renewal.stop()


class Record:
    """What is kept of one answer. It ends once: kept or given up. None of it fails the answer itself."""

    def __init__(
        self,
        idempotency: Idempotency,
        claim: Claim,
        request_id: str,
        longest: int,
        ended: Callable[[Claim], None],
    ) -> None:
        self.status = 200
        self.headers: Headers = ()
        self.longest = longest
        self._idempotency = idempotency
        self._claim = claim
        self._request_id = request_id
        self._ended = ended
        self._chunks: list[bytes] = []
        self._size = self._kept = 0
        self._open = True

    @property
    def open(self) -> bool:
        """Whether it was neither kept nor given up."""
        return self._open

    def add(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size <= self.longest:
            self._chunks.append(chunk)
        else:
            self._chunks.clear()

    def keep(self, follows: str | None = None) -> None:
        """All of it that was added; once more where more has come since. `follows` is the id of the response whose
        events the answer is: those are kept already.
        """
        if not self._open and self._size == self._kept:
            return
        self._kept, fits = self._size, self._size <= self.longest
        head = {
            "headers": [[name, value] for name, value in self.headers if not name.lower().startswith(_OF_THE_MOMENT)],
            "request_id": self._request_id,
            "size": self._size,
            "follows": follows,
        }
        body = b"".join(self._chunks) if fits and follows is None else None
        try:
            kept = self._idempotency.keep(self._claim, Answer(self.status, json_text.write(head).decode(), body=body))
            metrics.IDEMPOTENT_CALLS.labels("kept" if fits else "too_long").inc(int(kept and self._open))
        except (SQLAlchemyError, TollhouseError) as error:
            logs.event("answer_not_kept", level=logs.ERROR, request_id=self._request_id, error=error)
        self._end()

    def give_up(self) -> None:
        """Whoever asks again makes the call anew. Idempotent; nothing where it was kept."""
        if not self._open:
            return
        with suppress(SQLAlchemyError, TollhouseError):  # then its lease runs out
            self._idempotency.release(self._claim)
        metrics.IDEMPOTENT_CALLS.labels("released").inc()
        self._end()

    def _end(self) -> None:
        self._open = False
        self._ended(self._claim)


class Recorded:
    """A reply on its way, recorded. Its end goes out when the record is committed; closed, it is read to its end."""

    def __init__(self, source: Reply, record: Record) -> None:
        self.source = source
        self._record = record
        self._over = False

    @property
    def status(self) -> int:
        return self.source.status

    @property
    def tells_failures(self) -> bool:
        return self.source.tells_failures

    @property
    def is_kept(self) -> bool | None:
        """Whether it is short enough to be kept; None where nobody knows yet."""
        size = self.source.size
        return None if size is None else size <= self._record.longest

    def told(self, headers: Headers) -> None:
        """The caller gets these headers."""
        self._record.headers = headers

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            chunk = next(self.source)
        except BaseException as error:
            self._over = True
            self._end(broken=not isinstance(error, StopIteration))
            raise
        self._record.add(chunk)
        if self.source.is_complete:
            self._end()
        return chunk

    def close(self) -> None:
        """Idempotent."""
        try:
            while not self._over:
                next(self, None)
        except Exception as error:  # noqa: BLE001 - nobody is left to hear of it
            logs.event("recorded_reply_broke", level=logs.WARNING, error=error)
        finally:
            self.source.close()
            self._record.give_up()

    def _end(self, *, broken: bool = False) -> None:
        if broken or self.source.outcome != "ok":
            self._record.give_up()
        else:
            self._record.status = self.source.status
            self._record.keep()


def _kept_whole(answer: GivenAnswer, record: Record) -> GivenAnswer:
    """An answer that is here already, or whose events are kept by themselves."""
    record.status = answer.status
    record.headers = [("content-type", answer.content_type), *answer.headers.items()]
    if answer.follows is not None:
        record.keep(answer.follows)
        return answer
    for chunk in (body := list(answer.body)):
        record.add(chunk)
    record.keep()
    return GivenAnswer(answer.status, answer.content_type, body, answer.headers)


def _given_again(kept: Answer, follow: Follow) -> GivenAnswer:
    head = json_text.read_leniently(kept.text.encode())
    again = dict([REPLAYED, (ORIGINAL, head["request_id"])])
    metrics.IDEMPOTENT_CALLS.labels("replayed").inc()
    logs.event("call_replayed", original=head["request_id"])
    if head["follows"] is not None:
        answer = follow(head["follows"])
        return GivenAnswer(answer.status, answer.content_type, answer.body, {**answer.headers, **again})
    if kept.body is None:
        raise NotKept(
            f"This was asked for and answered before, as {head['request_id']}; the answer had {head['size']} bytes, "
            "and longer ones than TOLLHOUSE_IDEMPOTENCY_BYTES are not kept. It is not made again under this key.",
            param=PARAM,
        )
    headers = dict(head["headers"])
    if COST in headers:
        headers[COST] = "0"
    kind = headers.pop("content-type", "application/json")
    return GivenAnswer(kept.status, kind, [kept.body], {**headers, "content-length": str(len(kept.body)), **again})
