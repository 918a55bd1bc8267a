"""Process instances: who owns holds."""

import os
import socket

from sqlalchemy import update

from tollhouse.domain.identifiers import new_id
from tollhouse.store.database import Database
from tollhouse.store.records import ProcessInstanceRecord


def new_instance_id() -> str:
    return new_id("ins")


def enlist(database: Database, id: str, kind: str) -> None:
    """Write this process down, before it holds anything."""
    with database.write() as session:
        session.add(
            ProcessInstanceRecord(
                id=id,
                kind=kind,
                host=socket.gethostname()[:255],
                pid=os.getpid(),
                started_at=database.now(session),
                ended_at=None,
            )
        )


def discharge(database: Database, id: str) -> None:
    """This process has ended well, and holds nothing."""
    with database.write() as session:
        row = update(ProcessInstanceRecord).where(ProcessInstanceRecord.id == id)
        session.execute(row.values(ended_at=database.now(session)))
