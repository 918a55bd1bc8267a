"""What budgets and limits are set on, as it is named and as it is kept."""

from collections.abc import Collection

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from tollhouse.domain.errors import InvalidField, NotFound
from tollhouse.domain.principal import ORGANISATION, SCOPE_KINDS, Scope
from tollhouse.domain.tags import checked
from tollhouse.store.records import ApiKeyRecord, ModelRecord, TeamRecord, UserRecord


def existing_scope(session: Session, scope: Scope, kinds: Collection[str] = SCOPE_KINDS) -> Scope:
    """The scope as it is kept: a person may be named by e-mail address, a team by name, a tag in any case.

    Raises InvalidField, and NotFound for what is not there; a tag always is.
    """
    kind, id = scope
    if kind not in kinds:
        raise InvalidField(f"scope: it must be one of {', '.join(kinds)}.", param="scope")
    if kind == "tag":
        if tags := checked([id], "tag"):
            return kind, tags[0]
        raise InvalidField("tag: it is empty.", param="tag")
    found = ORGANISATION[1] if scope == ORGANISATION else _found(session, kind, id)
    if found is None:
        raise NotFound(f"There is no {kind} {id[:100]!r}; `tollhouse {kind}s list` shows them.", param=kind)
    return kind, found


def _found(session: Session, kind: str, id: str) -> str | None:
    wanted = {
        "key": select(ApiKeyRecord.id).where(ApiKeyRecord.id == id),
        "user": select(UserRecord.id).where(or_(UserRecord.id == id, UserRecord.email == id.lower())),
        "team": select(TeamRecord.id).where(or_(TeamRecord.id == id, TeamRecord.name == id)),
        "model": select(ModelRecord.name).where(ModelRecord.name == id),
    }
    return session.scalar(wanted[kind]) if kind in wanted else None
