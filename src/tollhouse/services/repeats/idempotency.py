"""Idempotency-Key: what is asked for again with the same key is done once, and answered the same way."""

import hashlib
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from tollhouse.domain.errors import AlreadyUnderWay, Conflict, InvalidField, InvalidSetting, KeyReused, Unavailable
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ports import Vault
from tollhouse.store.database import Database
from tollhouse.store.records import IdempotencyRecord

KEPT = timedelta(hours=24)
LEASE = timedelta(seconds=60)
"""How long one may be under way before another may begin: longer than any change of the management API takes. What
takes longer renews it.
"""
PARAM = "Idempotency-Key"
LONGEST = 255
"""Characters of a key."""
CHUNK = 500
"""Records that are deleted at once: keeps SQLite's write lock under 50 ms."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: `text` is sealed where it is kept, `body` is kept as it is. `again` says that nothing was done
    this time.
    """

    status: int
    text: str
    again: bool = False
    body: bytes | None = None


_UNTOLD = Answer(0, "")
"""Of what is done, and whose answer is about to be kept."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer a request, until its lease is over: whoever has it keeps the answer, or releases it."""

    owner_id: str
    digest: str
    attempt: str


class Idempotency:
    """A change and the record of its answer are one transaction: there is no change without its record.

    What was refused is not kept: it changed nothing, and may be asked for again.
    """

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        self._insert = sqlite.insert if database.dialect == "sqlite" else postgresql.insert

    def once(self, owner_id: str, key: str, fingerprint: str, work: Callable[[], Answer]) -> Answer:
        """The answer of `work`, which writes to the database alone, or the one that it gave before.

        `fingerprint` is a hash of all that is asked for. Raises KeyReused where the same key came with something else,
        AlreadyUnderWay, and what `work` raises.
        """
        claim = self.claim(owner_id, key, fingerprint)
        if isinstance(claim, Answer):
            return claim
        try:
            with self._database.gathered():
                answer = work()
                with self._database.write() as session:
                    if not self._kept(session, claim, answer):
                        raise AlreadyUnderWay(
                            "This took so long that the same request was begun anew.", param=PARAM, retry_after=1
                        )
        except BaseException:
            with suppress(SQLAlchemyError, Unavailable):  # then the lease runs out
                self.release(claim)
            raise
        return answer

    def claim(self, owner_id: str, key: str, fingerprint: str) -> Claim | Answer:
        """The right to do it, or the answer that was given before. Raises InvalidField, KeyReused, AlreadyUnderWay."""
        if not (0 < len(key) <= LONGEST and key.isascii() and key.isprintable()):
            raise InvalidField(f"{PARAM}: this header takes 1 to {LONGEST} printable ASCII characters.", param=PARAM)
        claim = Claim(owner_id, hashlib.sha256(key.encode()).hexdigest(), new_id("try"))
        return self._database.put(lambda session: self._claimed(session, claim, fingerprint))

    def keep(self, claim: Claim, answer: Answer) -> bool:
        """The answer for who asks again, in the place of one that was kept by the same claim. False where the lease ran
        out and somebody else has begun: then theirs counts.
        """
        return self._database.put(lambda session: self._kept(session, claim, answer))

    def release(self, claim: Claim) -> None:
        """It came to nothing: whoever asks again does it."""
        self._database.put(lambda session: session.execute(delete(IdempotencyRecord).where(*_under_way(claim))))

    def riding(self, claim: Claim) -> AbstractContextManager[None]:
        """The first change of the block, made by `Database.put`, is made by whoever has the claim, or not at all; from
        then on it is done, and not begun anew, also where this process dies before the answer is kept.
        """

        def rider(session: Session) -> None:
            if not self._kept(session, claim, _UNTOLD):
                raise AlreadyUnderWay(
                    "This took so long that the same request was begun anew.", param=PARAM, retry_after=1
                )

        return self._database.riding(rider)

    def renew(self, claims: Collection[Claim]) -> None:
        """They are under way still."""

        def change(session: Session) -> None:
            row, until = IdempotencyRecord, self._database.now(session) + LEASE
            mine = row.attempt.in_([claim.attempt for claim in claims])
            session.execute(update(row).where(mine, _is_untold()).values(taken_until=until))

        self._database.put(change)

    def expire(self) -> int:
        """Delete the records that are too old; how many."""
        row = IdempotencyRecord
        deleted = 0
        while True:
            with self._database.write() as session:
                old = select(row.owner_id, row.key_digest).where(row.expires_at <= self._database.now(session))
                keys = [tuple(one) for one in session.execute(old.limit(CHUNK))]
                session.execute(delete(row).where(tuple_(row.owner_id, row.key_digest).in_(keys)))
            deleted += len(keys)
            if len(keys) < CHUNK:
                return deleted

    def _claimed(self, session: Session, claim: Claim, fingerprint: str) -> Claim | Answer:
        now = self._database.now(session)
        new = {
            "fingerprint": fingerprint,
            "attempt": claim.attempt,
            "taken_until": now + LEASE,
            "expires_at": now + KEPT,
            "status": None,
            "answer": None,
            "body": None,
        }
        insert = self._insert(IdempotencyRecord).values(owner_id=claim.owner_id, key_digest=claim.digest, **new)
        if session.scalar(insert.on_conflict_do_nothing().returning(IdempotencyRecord.attempt)):
            return claim
        row = session.get_one(IdempotencyRecord, (claim.owner_id, claim.digest), with_for_update=True)
        if row.expires_at > now and (before := self._answered(row, fingerprint, now)) is not None:
            return before
        for field, value in new.items():
            setattr(row, field, value)
        return claim

    def _answered(self, row: IdempotencyRecord, fingerprint: str, now: datetime) -> Answer | None:
        """None where whoever had it under way is taken for dead."""
        if row.fingerprint != fingerprint:
            raise KeyReused("This key came with another request before: a new request needs a new key.", param=PARAM)
        if row.status == _UNTOLD.status and row.taken_until <= now:
            raise Conflict("This was done before, and its answer was lost: look at what is there.", param=PARAM)
        if row.status and row.answer is not None:
            try:
                return Answer(row.status, self._vault.unseal(row.answer), again=True, body=row.body)
            except InvalidSetting:
                raise Conflict(
                    "This was done before, and its answer cannot be read any more: look at what is there.", param=PARAM
                ) from None
        if row.taken_until > now:
            raise AlreadyUnderWay("The same request is under way: ask again in a moment.", param=PARAM, retry_after=1)
        return None

    def _kept(self, session: Session, claim: Claim, answer: Answer) -> bool:
        values = {"status": answer.status, "answer": self._vault.seal(answer.text), "body": answer.body}
        done = update(IdempotencyRecord).where(*_is(claim)).values(**values).returning(IdempotencyRecord.attempt)
        return session.scalar(done) is not None


def _is(claim: Claim) -> list[ColumnElement[bool]]:
    """Of a record that is still this one's."""
    row = IdempotencyRecord
    return [row.owner_id == claim.owner_id, row.key_digest == claim.digest, row.attempt == claim.attempt]


def _under_way(claim: Claim) -> list[ColumnElement[bool]]:
    return [*_is(claim), _is_untold()]


def _is_untold() -> ColumnElement[bool]:
    return or_(IdempotencyRecord.status.is_(None), IdempotencyRecord.status == _UNTOLD.status)
