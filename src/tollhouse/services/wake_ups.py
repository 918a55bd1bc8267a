"""Workers are woken for what a transaction leaves to be done, when it is over: before, they would find nothing."""

from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

Wake = Callable[[], object]
_WAKES = "wakes when it is over"


def wake_after(session: Session, wake: Wake) -> None:
    """Call it once when the session's transaction is over, however often this is asked. It must raise nothing; that
    nothing was committed does it no harm.
    """
    wakes: list[Wake] = session.info.setdefault(_WAKES, [])
    if not wakes:
        event.listen(session, "after_transaction_end", _over)
    if wake not in wakes:
        wakes.append(wake)


def _over(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        for wake in session.info.pop(_WAKES, ()):
            wake()
