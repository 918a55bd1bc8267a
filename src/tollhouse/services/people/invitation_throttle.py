"""How often people are invited: counted in SQL, by the invitations that there were, so in all processes."""

from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import TooManyAttempts
from tollhouse.store.database import Database
from tollhouse.store.records import LinkRecord

BY_ONE_WITHIN = timedelta(hours=1)
TO_ONE, TO_ONE_WITHIN = 5, timedelta(days=1)
"""So that nobody is sent mail by this gateway that they never asked for, whoever types their address how often."""


def refuse_too_many(
    database: Database, session: Session, by: Actor, email: str, now: datetime, *, per_hour: int
) -> None:
    """Raise TooManyAttempts where this person has invited too many, or this address was invited too often.

    From here on nobody else invites until the transaction ends: each sees the invitations of all before. Whoever has a
    shell, or the gateway itself, is not counted.
    """
    if by.kind != "person":
        return
    if database.dialect == "postgresql":
        session.execute(text("LOCK TABLE links IN SHARE ROW EXCLUSIVE MODE"))
    for column, value, most, within, complaint in (
        (LinkRecord.made_by, by.id, per_hour, BY_ONE_WITHIN, f"You have invited {per_hour} people within an hour"),
        (LinkRecord.email, email, TO_ONE, TO_ONE_WITHIN, f"This address was invited {TO_ONE} times within a day"),
    ):
        first_that_counts = session.scalar(
            select(LinkRecord.created_at)
            .where(LinkRecord.kind == "invitation", column == value, LinkRecord.created_at > now - within)
            .order_by(LinkRecord.created_at.desc())
            .offset(most - 1)
            .limit(1)
        )
        if first_that_counts is not None:
            wait = (first_that_counts + within - now).total_seconds()
            raise TooManyAttempts(f"{complaint}: wait, and try again.", param="email", retry_after=max(1.0, wait))
