"""A response in the background is cancelled: whoever makes it hears of it, and what still comes changes nothing."""

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from tollhouse.services.background.claims import DONE
from tollhouse.services.background.events import cancelled_event
from tollhouse.services.responses.stored_responses import StoredResponses
from tollhouse.store.database import Database
from tollhouse.store.records import BackgroundRecord, ResponseEventsRecord, ResponseRecord

_row, _events = BackgroundRecord, ResponseEventsRecord


def cancel_response(session: Session, database: Database, stored: StoredResponses, team_id: str, id: str) -> bool:
    """Whether it was cancelled, in the caller's transaction; else it has ended, or is none."""
    cancelled = session.execute(
        update(_row)
        .where(_row.id == id, _row.team_id == team_id, _row.state != DONE)
        .values(
            state=DONE,
            attempt=_row.attempt + 1,
            call=None,
            lease_until=None,
            waits_for=None,
            ended_at=database.now(session),
        )
        .returning(_row.streamed, _row.last_number)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if cancelled is None:
        return False
    document = session.scalar(select(ResponseRecord.document).where(ResponseRecord.id == id)) or {}
    stored.end(session, id, {**document, "status": "cancelled"})
    if cancelled.streamed:
        number = cancelled.last_number + 1
        last = {"response_id": id, "first": number, "last": number, "events": cancelled_event(number)}
        session.execute(insert(_events), last)
    return True
