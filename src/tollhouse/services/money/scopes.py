"""What budgets and limits are set on, as it is named and as it is kept, and whose that is."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, case, func, literal, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField, NotFound
from tollhouse.domain.principal import ORGANISATION, SCOPE_KINDS, Scope
from tollhouse.domain.rights import Right
from tollhouse.domain.tags import checked
from tollhouse.services.people.teams import no_team
from tollhouse.store.records import (
    ApiKeyRecord,
    BudgetRecord,
    LimitRecord,
    MembershipRecord,
    ModelRecord,
    TeamRecord,
    UserRecord,
)

_Asked = TypeVar("_Asked", bound=Select[*tuple[object, ...]])

OF_TEAMS = ("key", "user", "team")
"""Kinds of which a team may own what is set on them. On others, only the organisation sets anything."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which budgets or limits are listed: on a kind of scope, on one scope, of a team. None is all."""

    scope: str | None = None
    scope_id: str | None = None
    team_id: str | None = None


EVERYTHING = Filter()


def existing_scope(session: Session, scope: Scope, kinds: Collection[str] = SCOPE_KINDS) -> Scope:
    """The scope as it is kept: a person may be named by e-mail address, a team by name, a tag in any case.

    Raises InvalidField, and NotFound for what is not there; a tag always is.
    """
    kind, id = scope
    if kind not in kinds:
        raise InvalidField(f"scope: it must be one of {', '.join(kinds)}.", param="scope")
    if kind == "tag":
        return kind, _tag(id)
    found = ORGANISATION[1] if scope == ORGANISATION else _found(session, kind, id)
    if found is None:
        raise _no_scope(scope)
    return kind, found


def owned_scope(
    session: Session, scope: Scope, by: Actor, kinds: Collection[str] = SCOPE_KINDS
) -> tuple[Scope, str | None]:
    """The scope as it is kept and the team whose it is, None for the organisation, for somebody who sets money or
    limits on it. Raises Forbidden, and NotFound also for what they do not see.
    """
    if scope[0] in kinds and scope[0] not in OF_TEAMS:
        by.require(Right.CHANGE_MONEY)
    kept = existing_scope(session, scope, kinds)
    team_id = team_of(session, kept)
    by.require_in(team_id, Right.CHANGE_MONEY, _no_scope(scope))
    return kept, team_id


def team_of(session: Session, scope: Scope) -> str | None:
    """The team whose the scope is now; None for the organisation."""
    return session.scalar(select(owning_team(literal(scope[0]), literal(scope[1]))))


def owning_team(
    kind: ColumnElement[str] | InstrumentedAttribute[str], id: ColumnElement[str] | InstrumentedAttribute[str]
) -> ColumnElement[str | None]:
    """The team that a scope belongs to, as SQL: NULL for the organisation.

    A person belongs to a team who has no other role anywhere: what one team sets on them would bind them in the next.
    """
    of_key = select(ApiKeyRecord.team_id).where(ApiKeyRecord.id == id)
    only = case((func.count() == 1, func.min(MembershipRecord.team_id)))
    of_user = select(only).where(MembershipRecord.user_id == id)
    return case(
        (kind == "team", id),
        (kind == "key", of_key.correlate_except(ApiKeyRecord).scalar_subquery()),
        (kind == "user", of_user.correlate_except(MembershipRecord).scalar_subquery()),
    )


def visible(asked: _Asked, table: type[BudgetRecord | LimitRecord], wanted: Filter, by: Actor) -> _Asked:
    """Of budgets or limits those that are wanted and that they see. Raises Forbidden where they see none anywhere."""
    team = owning_team(table.scope_kind, table.scope_id)
    if wanted.team_id is not None:
        by.require_in(wanted.team_id, Right.VIEW_MONEY, no_team(wanted.team_id))
        asked = asked.where(team == wanted.team_id)
    elif (seen := by.teams_with(Right.VIEW_MONEY)) is not None:
        if not seen:
            by.require(Right.VIEW_MONEY)
        asked = asked.where(team.in_(seen))
    if wanted.scope is not None:
        asked = asked.where(table.scope_kind == wanted.scope)
    if wanted.scope_id is not None:
        asked = asked.where(table.scope_id == wanted.scope_id)
    return asked


def _tag(word: str) -> str:
    try:
        tags = checked([word], "tag")
    except InvalidField as error:
        raise InvalidField(error.message, param="scope_id") from None
    if not tags:
        raise InvalidField("tag: it is empty.", param="scope_id")
    return tags[0]


def _found(session: Session, kind: str, id: str) -> str | None:
    wanted = {
        "key": select(ApiKeyRecord.id).where(ApiKeyRecord.id == id),
        "user": select(UserRecord.id).where(or_(UserRecord.id == id, UserRecord.email == id.lower())),
        "team": select(TeamRecord.id).where(or_(TeamRecord.id == id, TeamRecord.name == id)),
        "model": select(ModelRecord.name).where(ModelRecord.name == id),
    }
    return session.scalar(wanted[kind]) if kind in wanted else None


def _no_scope(scope: Scope) -> NotFound:
    kind, id = scope
    return NotFound(f"There is no {kind} {id[:100]!r}; `tollhouse {kind}s list` shows them.", param="scope_id")
