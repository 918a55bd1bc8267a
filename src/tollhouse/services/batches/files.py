"""Files that a team keeps: received, shown, read, deleted, expired. A team sees its own alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, exists, or_, select
from sqlalchemy.orm import Session

from tollhouse.domain.errors import Conflict, InvalidField, NotFound
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ports import Blobs, NewBlob, OpenBlob
from tollhouse.domain.principal import Principal
from tollhouse.services.pages import FilePage, no_such_item, shown
from tollhouse.store.database import Database
from tollhouse.store.records import BatchRecord, FileRecord

BATCH, BATCH_OUTPUT = "batch", "batch_output"
PURPOSES = ("assistants", BATCH, "fine-tune", "vision", "user_data", "evals")
"""What files may be uploaded for. Nothing but a batch reads one; the others are kept for their owners."""
LEAST_SECONDS, MOST_SECONDS = 3600, 30 * 86400
"""OpenAI's bounds of `expires_after`."""
BATCH_KEPT_FOR = timedelta(days=30)
"""How long what goes into a batch, and comes out of it, is kept where nobody says otherwise, as at OpenAI."""
PIECE = 256 * 1024
ORPHAN_SECONDS = 86_400.0
"""How old content without a row must be to be what a crash left: nobody uploads for so long."""
CHUNK_ROWS = 100
_ANCHOR, _SECONDS = "expires_after[anchor]", "expires_after[seconds]"


class Incoming:
    """A file that is being received. Close it: unless it was added, nothing is left of it then."""

    def __init__(self, blobs: Blobs) -> None:
        self.id = new_id("file", "-")
        self.size = 0
        self._blob: NewBlob = blobs.create(self.id)

    def write(self, data: bytes) -> None:
        """Raises OutOfSpace."""
        self._blob.write(data)
        self.size += len(data)

    def keep(self) -> None:
        """Raises OutOfSpace."""
        self._blob.keep()

    def close(self) -> None:
        self._blob.close()


class Content:
    """The bytes of a file, in pieces. Close it."""

    def __init__(self, blob: OpenBlob, size: int) -> None:
        self.size = size
        self._blob = blob
        self._at = 0
        self.close = blob.close

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = self._blob.read(self._at, PIECE)
        if not piece:
            raise StopIteration
        self._at += len(piece)
        return piece


@dataclass(frozen=True, slots=True)
class NewFile:
    """What is said of a file that comes. `kept_for` is None for one that stays."""

    filename: str
    purpose: str
    kept_for: timedelta | None


class Files:
    """Content is there before the row that tells of it, and goes after it: no row is without its content."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    def receive(self) -> Incoming:
        """Begin a file. Raises OutOfSpace."""
        return Incoming(self._blobs)

    def add(self, principal: Principal, incoming: Incoming, new: NewFile) -> dict[str, Any]:
        """What came is a file of the caller's team from here on. Raises OutOfSpace, and what the database raises."""
        incoming.keep()
        try:
            row = self._database.put(
                lambda session: insert_file(
                    session, self._database.now(session), principal.team_id, principal.key_id, incoming, new
                )
            )
        except BaseException:
            # If it was written after all, the row is one without content: it says so when it is read.
            self._blobs.delete(incoming.id)
            raise
        return _shown(row)

    def discard(self, incoming: Incoming) -> None:
        """What was kept of it belongs to nothing."""
        self._blobs.delete(incoming.id)

    def retrieve(self, principal: Principal, id: str) -> dict[str, Any]:
        """Raises NotFound."""
        return _shown(self._row(principal, id))

    def page(self, principal: Principal, page: FilePage) -> dict[str, Any]:
        """Raises InvalidField."""
        if page.after and not _is_id(page.after):
            raise no_such_item(page.after)
        if page.purpose and not _is_id(page.purpose):
            raise InvalidField("purpose: there is no such purpose.", param="purpose")

        def question(session: Session) -> list[FileRecord]:
            row = FileRecord
            wanted = select(row).where(row.team_id == principal.team_id, _is_kept(self._database.now(session)))
            if page.purpose:
                wanted = wanted.where(row.purpose == page.purpose)
            if page.after:
                if session.scalar(select(row.id).where(row.id == page.after, row.team_id == principal.team_id)) is None:
                    raise no_such_item(page.after)
                wanted = wanted.where(row.id > page.after if page.ascending else row.id < page.after)
            order = row.id.asc() if page.ascending else row.id.desc()
            return list(session.scalars(wanted.order_by(order).limit(page.limit + 1)))

        rows = self._database.ask(question)
        return shown([_shown(row) for row in rows[: page.limit]], more=len(rows) > page.limit)

    def content(self, principal: Principal, id: str) -> Content:
        """Its bytes. Raises NotFound, Unavailable."""
        row = self._row(principal, id)
        return Content(self._blobs.open(row.id), row.size)

    def delete(self, principal: Principal, id: str) -> dict[str, Any]:
        """Raises NotFound, Conflict."""

        def change(session: Session) -> str | None:
            row = FileRecord
            mine = (row.id == id, row.team_id == principal.team_id, _is_kept(self._database.now(session)))
            return session.scalar(delete(row).where(*mine).returning(row.id))

        if _is_id(id) and self._database.ask(lambda session: session.scalar(select(_is_in_use(id)))):
            raise Conflict(f"The file {id} is being read by a batch: cancel that first.", param="file_id")
        if not _is_id(id) or self._database.put(change) is None:
            raise unknown_file(id)
        self._blobs.delete(id)
        return {"id": id, "object": "file", "deleted": True}

    def expire(self) -> int:
        """Delete files whose time is over, in small transactions, and content that a crash left; how many files."""
        deleted = 0
        while ids := self._delete_expired():
            for id in ids:
                self._blobs.delete(id)
            deleted += len(ids)
        for id in self._blobs.old(ORPHAN_SECONDS):
            if not self._is_there(id):
                self._blobs.delete(id)
        return deleted

    def _delete_expired(self) -> list[str]:
        with self._database.write() as session:
            row = FileRecord
            now = self._database.now(session)
            due = select(row.id).where(row.expires_at <= now, ~_is_in_use(row.id)).limit(CHUNK_ROWS)
            return list(session.scalars(delete(row).where(row.id.in_(due)).returning(row.id)))

    def _is_there(self, id: str) -> bool:
        with self._database.read() as session:
            return bool(session.scalar(select(exists().where(FileRecord.id == id))))

    def _row(self, principal: Principal, id: str) -> FileRecord:
        def question(session: Session) -> FileRecord | None:
            return find_file(session, self._database.now(session), principal.team_id, id)

        row = self._database.ask(question) if _is_id(id) else None
        if row is None:
            raise unknown_file(id)
        return row


def read_new_file(fields: Mapping[str, Any], filename: str) -> NewFile:
    """What the fields of a form say of a file. InvalidField names the one that is wrong."""
    purpose = fields.get("purpose")
    if purpose not in PURPOSES:
        raise InvalidField(f"purpose: one of {', '.join(PURPOSES)} is required.", param="purpose")
    if any(ord(sign) < 32 or 0xD800 <= ord(sign) < 0xE000 for sign in filename):
        raise InvalidField("file: its name has signs that no name has.", param="file")
    kept_for = BATCH_KEPT_FOR if purpose == BATCH else None
    given = {name: fields[name] for name in (_ANCHOR, _SECONDS) if name in fields}
    return NewFile(filename, purpose, read_kept_for(given, _ANCHOR, _SECONDS) if given else kept_for)


def read_kept_for(given: Mapping[str, Any], anchor: str = "anchor", seconds: str = "seconds") -> timedelta:
    """How long a file is kept, from what says so under these names. Raises InvalidField."""
    if given.get(anchor) != "created_at":
        raise InvalidField(f"{anchor}: it must be created_at.", param=anchor)
    said = given.get(seconds)
    number = int(said) if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) < 10 else said
    if not isinstance(number, int) or isinstance(number, bool) or not LEAST_SECONDS <= number <= MOST_SECONDS:
        raise InvalidField(f"{seconds}: a whole number from {LEAST_SECONDS} to {MOST_SECONDS}.", param=seconds)
    return timedelta(seconds=number)


def insert_file(
    session: Session, now: datetime, team_id: str, key_id: str, incoming: Incoming, new: NewFile
) -> FileRecord:
    """The row of content that is kept, in the caller's transaction."""
    row = FileRecord(
        id=incoming.id,
        team_id=team_id,
        key_id=key_id,
        filename=new.filename,
        purpose=new.purpose,
        size=incoming.size,
        created_at=now,
        expires_at=None if new.kept_for is None else now + new.kept_for,
    )
    session.add(row)
    return row


def find_file(session: Session, now: datetime, team_id: str, id: str) -> FileRecord | None:
    """The team's file of this id, unless its time is over."""
    row = FileRecord
    return session.scalar(select(row).where(row.id == id, row.team_id == team_id, _is_kept(now)))


def unknown_file(id: str, param: str = "file_id") -> NotFound:
    """For whoever is asked for a file that the team does not have."""
    return NotFound(f"There is no file {id[:100]!r}: it was deleted, has expired, or never was.", param=param)


def _is_kept(now: datetime) -> Any:
    return or_(FileRecord.expires_at.is_(None), FileRecord.expires_at > now)


def _is_in_use(id: Any) -> Any:
    """Whether a batch that has not ended reads this file: nobody but its owner's team has one that does."""
    return exists().where(BatchRecord.input_file_id == id, BatchRecord.is_open)


def _is_id(id: str) -> bool:
    """Whether it may be asked for: PostgreSQL takes no zero bytes."""
    return id.isascii() and id.isprintable()


def _shown(row: FileRecord) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "file",
        "bytes": row.size,
        "created_at": int(row.created_at.timestamp()),
        "filename": row.filename,
        "purpose": row.purpose,
        "status": "processed",
        "expires_at": None if row.expires_at is None else int(row.expires_at.timestamp()),
        "status_details": None,
    }
