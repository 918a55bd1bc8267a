"""`[[limits]]`: what a scope may have a minute, and how many open calls at once. A limit is known by its scope."""

from collections.abc import Mapping, Sequence
from typing import Any

from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField
from tollhouse.services.declaration.scopes import ScopeNames, scope_of
from tollhouse.services.declaration.section import Change, Entry, differing
from tollhouse.services.money.limits import KINDS, SCOPE_KINDS, Limits


class LimitsSection:
    name = "limits"
    listed = True

    def __init__(self, limits: Limits, scopes: ScopeNames) -> None:
        self._limits = limits
        self._scopes = scopes

    def given(self, part: Any) -> Mapping[str, Entry]:
        entries: dict[str, Entry] = {}
        for number, fields in enumerate(part):
            where = f"limits[{number}]"
            kind, id = self._scopes.given(where, fields, SCOPE_KINDS)
            most = {one: fields[one] for one in KINDS if one in fields}
            if not most:
                raise InvalidField(f"{where}: it must have at least one of {', '.join(KINDS)}.", param=where)
            name = f"{kind} {id}"
            if name in entries:
                raise InvalidField(f"{where}: there is another limit of this scope.", param=where)
            entries[name] = {kind: id, **most}
        return entries

    def current(self) -> Mapping[str, Entry]:
        limits = self._limits.all()
        names = self._scopes.named(limit.scope for limit in limits)
        entries: dict[str, Entry] = {}
        for limit in limits:
            if limit.scope not in names:
                continue
            kind, id = names[limit.scope]
            most = {one: value for one in KINDS if (value := getattr(limit, one)) is not None}
            entries[f"{kind} {id}"] = {kind: id, **most}
        return entries

    def differences(self, name: str, before: Entry, after: Entry) -> Sequence[str]:
        return differing(before, after)

    def put(self, changes: Sequence[Change], by: Actor) -> None:
        for change in changes:
            # What the file does not say of a limit that it names is lifted.
            self._limits.set(scope_of(change.after), {kind: change.after.get(kind) for kind in KINDS}, by=by)
