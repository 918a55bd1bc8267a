"""Idempotency-Key: what is asked for again with the same key is done once, and answered the same way."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from tollhouse.domain.errors import AlreadyUnderWay, Conflict, InvalidSetting, KeyReused
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ports import Vault
from tollhouse.store.database import Database
from tollhouse.store.records import IdempotencyRecord

KEPT = timedelta(hours=24)
LEASE = timedelta(seconds=60)
"""How long one may be under way before another may begin: longer than any change of the management API takes."""
PARAM = "Idempotency-Key"
CHUNK = 500
"""Records that are deleted at once: keeps SQLite's write lock under 50 ms."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered. `again` says that nothing was done this time."""

    status: int
    text: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class _Claim:
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
        claim = self._claim(owner_id, hashlib.sha256(key.encode()).hexdigest(), fingerprint)
        if isinstance(claim, Answer):
            return claim
        try:
            with self._database.gathered():
                answer = work()
                self._finish(claim, answer)
        except BaseException:
            with suppress(SQLAlchemyError):  # then the lease runs out
                self._release(claim)
            raise
        return answer

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

    def _claim(self, owner_id: str, digest: str, fingerprint: str) -> _Claim | Answer:
        claim = _Claim(owner_id, digest, new_id("try"))
        with self._database.write() as session:
            now = self._database.now(session)
            new = {
                "fingerprint": fingerprint,
                "attempt": claim.attempt,
                "taken_until": now + LEASE,
                "expires_at": now + KEPT,
                "status": None,
                "answer": None,
            }
            insert = self._insert(IdempotencyRecord).values(owner_id=owner_id, key_digest=digest, **new)
            if session.scalar(insert.on_conflict_do_nothing().returning(IdempotencyRecord.attempt)):
                return claim
            row = session.get_one(IdempotencyRecord, (owner_id, digest), with_for_update=True)
            if row.expires_at > now and (before := self._answered(row, fingerprint, now)) is not None:
                return before
            for field, value in new.items():
                setattr(row, field, value)
            return claim

    def _answered(self, row: IdempotencyRecord, fingerprint: str, now: datetime) -> Answer | None:
        """None where whoever had it under way is taken for dead."""
        if row.fingerprint != fingerprint:
            raise KeyReused("This key came with another request before: a new request needs a new key.", param=PARAM)
        if row.status is not None and row.answer is not None:
            try:
                return Answer(row.status, self._vault.unseal(row.answer), again=True)
            except InvalidSetting:
                raise Conflict(
                    "This was done before, and its answer cannot be read any more: look at what is there.", param=PARAM
                ) from None
        if row.taken_until > now:
            raise AlreadyUnderWay("The same request is under way: ask again in a moment.", param=PARAM, retry_after=1)
        return None

    def _finish(self, claim: _Claim, answer: Answer) -> None:
        with self._database.write() as session:
            values = {"status": answer.status, "answer": self._vault.seal(answer.text)}
            done = update(IdempotencyRecord).where(*_is(claim)).values(**values).returning(IdempotencyRecord.attempt)
            if session.scalar(done) is None:
                raise AlreadyUnderWay(
                    "This took so long that the same request was begun anew.", param=PARAM, retry_after=1
                )

    def _release(self, claim: _Claim) -> None:
        with self._database.write() as session:
            session.execute(delete(IdempotencyRecord).where(*_is(claim)))


def _is(claim: _Claim) -> list[ColumnElement[bool]]:
    """Of a record that is still this one's, and under way."""
    row = IdempotencyRecord
    return [
        row.owner_id == claim.owner_id,
        row.key_digest == claim.digest,
        row.attempt == claim.attempt,
        row.status.is_(None),
    ]
