"""What budgets and limits are for, as the file has it: a team by its name, a person by their e-mail address, so that
the file makes the same on another machine.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import select

from tollhouse.domain.errors import InvalidField
from tollhouse.domain.principal import SCOPE_KINDS, Scope
from tollhouse.services.declaration.section import Entry
from tollhouse.services.money.scopes import existing_scope
from tollhouse.store.database import Database
from tollhouse.store.records import ModelRecord, TeamRecord, UserRecord


class ScopeNames:
    """Translates between ids, which are kept, and names."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def given(self, where: str, fields: Mapping[str, Any], kinds: Collection[str]) -> Scope:
        """The scope that fields of the file name, by whatever name. InvalidField says where there is none, or more
        than one; NotFound that there is no such thing.
        """
        found = [kind for kind in kinds if kind in fields]
        if len(found) != 1:
            raise InvalidField(f"{where}: it must be for one of {', '.join(kinds)}.", param=where)
        with self._database.read() as session:
            kept = existing_scope(session, (found[0], fields[found[0]]), kinds)
        return self.named([kept])[kept]

    def named(self, scopes: Iterable[Scope]) -> dict[Scope, Scope]:
        """Of each scope as it is kept, how the file has it; none of a person or model that is gone: what is still set
        on those binds nobody, and no file could say it.
        """
        wanted = list(scopes)
        named = {
            "team": select(TeamRecord.id, TeamRecord.name).where(TeamRecord.id.in_(_ids(wanted, "team"))),
            "user": select(UserRecord.id, UserRecord.email).where(UserRecord.id.in_(_ids(wanted, "user"))),
            "model": select(ModelRecord.name, ModelRecord.name).where(ModelRecord.name.in_(_ids(wanted, "model"))),
        }
        with self._database.read() as session:
            names = {(kind, id): (kind, name) for kind, asked in named.items() for id, name in session.execute(asked)}
        return names | {scope: scope for scope in wanted if scope[0] not in named}


def scope_of(entry: Entry) -> Scope:
    """The scope of an entry."""
    return next((kind, entry[kind]) for kind in SCOPE_KINDS if kind in entry)


def _ids(scopes: Iterable[Scope], kind: str) -> list[str]:
    return [id for one, id in scopes if one == kind]
