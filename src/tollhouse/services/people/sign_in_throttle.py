"""How often one may try to sign in: counted in SQL, so in all processes, and by the database's time."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from tollhouse.domain.errors import TooManyAttempts
from tollhouse.domain.identifiers import new_id
from tollhouse.store.database import Database
from tollhouse.store.records import SignInAttemptRecord

WINDOW = timedelta(minutes=15)
FAILURES_OF_ACCOUNT = 5
FAILURES_OF_ADDRESS = 20
REMOVED_AT_ONCE = 500
"""Old attempts that one transaction removes, so that none holds the write lock for long."""


class SignInThrottle:
    """Knows accounts by what was typed, whether they exist or not, and so tells nothing of that."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, account: str, address: str) -> None:
        """Count an attempt, which is a failure until `succeeded` says otherwise. Raises TooManyAttempts.

        It is counted before the password is looked at: a hundred guesses at once are a hundred attempts.
        """
        with self._database.read() as session:
            # Without a write: those who are refused cost the ledger nothing.
            self._refuse_too_many(session, self._database.now(session), account, address)
        with self._database.write() as session:
            if self._database.dialect == "postgresql":
                # Nobody counts while another has counted and not yet added, as SQLite's one writer sees to.
                session.execute(text("LOCK TABLE sign_in_attempts IN SHARE ROW EXCLUSIVE MODE"))
            now = self._database.now(session)
            self._refuse_too_many(session, now, account, address)
            old = select(SignInAttemptRecord.id).where(SignInAttemptRecord.at <= now - WINDOW).limit(REMOVED_AT_ONCE)
            session.execute(
                delete(SignInAttemptRecord).where(SignInAttemptRecord.id.in_(old)),
                execution_options={"synchronize_session": False},
            )
            session.add(SignInAttemptRecord(id=new_id("sia"), account=account, address=address, at=now))

    def succeeded(self, session: Session, account: str) -> None:
        """Forget the failures of this account, in the caller's transaction."""
        session.execute(delete(SignInAttemptRecord).where(SignInAttemptRecord.account == account))

    def _refuse_too_many(self, session: Session, now: datetime, account: str, address: str) -> None:
        waits = (
            _seconds_to_wait(session, now, SignInAttemptRecord.account, account, FAILURES_OF_ACCOUNT),
            _seconds_to_wait(session, now, SignInAttemptRecord.address, address, FAILURES_OF_ADDRESS),
        )
        if max(waits) > 0:
            raise TooManyAttempts(
                "Signing in failed too often for this e-mail address, or from where you are: wait, and try again.",
                retry_after=max(waits),
            )


def _seconds_to_wait(
    session: Session, now: datetime, column: InstrumentedAttribute[str], value: str, most: int
) -> float:
    """Until fewer than `most` failures are left in the window; 0 when that is so now."""
    counted = session.scalar(
        select(SignInAttemptRecord.at)
        .where(column == value, SignInAttemptRecord.at > now - WINDOW)
        .order_by(SignInAttemptRecord.at.desc())
        .offset(most - 1)
        .limit(1)
    )
    return 0.0 if counted is None else max(1.0, (counted + WINDOW - now).total_seconds())
