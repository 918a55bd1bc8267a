"""Who of the people here is whom an issuer vouches for: by its own name for them, else by an e-mail address that it
verified. An address that it did not verify says nothing: anybody could have typed it there.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import Actor
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.vouched import Vouched
from tollhouse.services.audit import note
from tollhouse.store.changes import announce
from tollhouse.store.records import IdentityRecord, TeamRecord, UserRecord

MOST_NAMES = 500
"""Teams that one token names."""


def linked(session: Session, vouched: Vouched) -> UserRecord | None:
    """Whoever has come with this subject before."""
    return session.scalar(
        select(UserRecord)
        .join(IdentityRecord, IdentityRecord.user_id == UserRecord.id)
        .where(IdentityRecord.issuer == vouched.issuer, IdentityRecord.subject == vouched.subject)
    )


def has_domain(email: str, domains: Collection[str]) -> bool:
    """Whether the address is of one of these domains, or any will do."""
    return not domains or email.rpartition("@")[2] in domains


def with_email(session: Session, vouched: Vouched) -> UserRecord | None:
    """Whoever has the verified address here."""
    if vouched.email is None:
        return None
    return session.scalar(select(UserRecord).where(UserRecord.email == vouched.email))


def is_linked(session: Session, user: UserRecord, issuer: str) -> bool:
    """Whether this person has a subject of the issuer: then another with their address is somebody else, as who was
    given the address of one who left.
    """
    asked = select(IdentityRecord.id).where(IdentityRecord.user_id == user.id, IdentityRecord.issuer == issuer)
    return session.scalar(asked.limit(1)) is not None


def link(session: Session, user: UserRecord, vouched: Vouched, by: Actor, at: datetime) -> None:
    """Remember the subject as this person's, in the caller's transaction."""
    session.add(
        IdentityRecord(id=new_id("idn"), user_id=user.id, issuer=vouched.issuer, subject=vouched.subject, created_at=at)
    )
    note(session, by, "users.link", user.id, at=at, after={"issuer": vouched.issuer})
    announce(session)


def teams_named(session: Session, names: Sequence[str]) -> list[str]:
    """The ids of the teams with these names or ids, in their order; archived ones, and what is none, are left out."""
    wanted = [*dict.fromkeys(names)][:MOST_NAMES]
    asked = select(TeamRecord.id, TeamRecord.name).where(
        TeamRecord.archived_at.is_(None), or_(TeamRecord.id.in_(wanted), TeamRecord.name.in_(wanted))
    )
    found = {name: row.id for row in session.execute(asked) for name in (row.name, row.id)}
    return [*dict.fromkeys(found[name] for name in wanted if name in found)]
