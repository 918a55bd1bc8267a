"""`[[budgets]]`: what a scope may spend in a period. A budget is known by its scope and period."""

from collections.abc import Mapping, Sequence
from typing import Any

from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.money import nanos_from_usd, usd_from_nanos
from tollhouse.domain.principal import SCOPE_KINDS, Scope
from tollhouse.services.declaration.scopes import ScopeNames, scope_of
from tollhouse.services.declaration.section import Change, Entry, differing
from tollhouse.services.money.budgets import Budgets


class BudgetsSection:
    name = "budgets"
    listed = True

    def __init__(self, budgets: Budgets, scopes: ScopeNames) -> None:
        self._budgets = budgets
        self._scopes = scopes

    def given(self, part: Any) -> Mapping[str, Entry]:
        entries: dict[str, Entry] = {}
        for number, fields in enumerate(part):
            entry = self._given(number, fields)
            name = _name(entry)
            if name in entries:
                where = f"budgets[{number}]"
                raise InvalidField(f"{where}: there is another budget of this scope and period.", param=where)
            entries[name] = entry
        return entries

    def current(self) -> Mapping[str, Entry]:
        budgets = self._budgets.all()
        names = self._scopes.named(one.scope for one in budgets)
        found = [
            _entry(names[one.scope], usd_from_nanos(one.limit), one.period, one.timezone, one.hard)
            for one in budgets
            if one.scope in names
        ]
        return {_name(entry): entry for entry in found}

    def differences(self, name: str, before: Entry, after: Entry) -> Sequence[str]:
        return differing(before, after)

    def put(self, changes: Sequence[Change], by: Actor) -> None:
        for change in changes:
            entry = change.after
            self._budgets.set(
                scope_of(entry),
                nanos_from_usd(entry["usd"]),
                entry["period"],
                timezone=entry.get("timezone", "UTC"),
                hard=entry.get("hard", True),
                by=by,
            )

    def _given(self, number: int, fields: Mapping[str, Any]) -> Entry:
        where = f"budgets[{number}]"
        scope = self._scopes.given(where, fields, SCOPE_KINDS)
        try:
            usd = usd_from_nanos(nanos_from_usd(str(fields["usd"])))
        except ValueError as error:
            raise InvalidField(f"{where}.usd: {error}.", param=f"{where}.usd") from None
        return _entry(scope, usd, fields["period"], fields.get("timezone", "UTC"), fields.get("hard", True))


def _entry(scope: Scope, usd: str, period: str, timezone: str, hard: bool) -> Entry:
    zone = {} if timezone == "UTC" else {"timezone": timezone}
    return {scope[0]: scope[1], "usd": usd, "period": period, **zone, **({} if hard else {"hard": False})}


def _name(entry: Entry) -> str:
    return f"{' '.join(scope_of(entry))} {entry['period']}"
