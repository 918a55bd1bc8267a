"""`[[budgets]]`: what a scope may spend in a period. A budget is known by its scope and period."""

from collections.abc import Mapping, Sequence
from typing import Any

from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.money import nanos_from_usd, usd_from_nanos
from tollhouse.domain.principal import SCOPE_KINDS, Scope
from tollhouse.services.budgets import Budgets
from tollhouse.services.declaration.section import Change, Entry, differing


class BudgetsSection:
    name = "budgets"

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets

    def given(self, part: Any) -> Mapping[str, Entry]:
        entries: dict[str, Entry] = {}
        for number, fields in enumerate(part):
            entry = _given(number, fields)
            name = _name(entry)
            if name in entries:
                where = f"budgets[{number}]"
                raise InvalidField(f"{where}: there is another budget of this scope and period.", param=where)
            entries[name] = entry
        return entries

    def current(self) -> Mapping[str, Entry]:
        found = [
            _entry(one.scope, usd_from_nanos(one.limit), one.period, one.timezone, one.hard)
            for one in self._budgets.all()
        ]
        return {_name(entry): entry for entry in found}

    def differences(self, name: str, before: Entry, after: Entry) -> Sequence[str]:
        return differing(before, after)

    def put(self, changes: Sequence[Change], by: Actor) -> None:
        for change in changes:
            entry = change.after
            self._budgets.set(
                _scope(entry),
                nanos_from_usd(entry["usd"]),
                entry["period"],
                timezone=entry.get("timezone", "UTC"),
                hard=entry.get("hard", True),
                by=by,
            )


def _given(number: int, fields: Mapping[str, Any]) -> Entry:
    where = f"budgets[{number}]"
    kinds = [kind for kind in SCOPE_KINDS if kind in fields]
    if len(kinds) != 1:
        raise InvalidField(f"{where}: it must be for one of {', '.join(SCOPE_KINDS)}.", param=where)
    scope = (kinds[0], fields[kinds[0]].lower() if kinds[0] == "tag" else fields[kinds[0]])
    try:
        usd = usd_from_nanos(nanos_from_usd(str(fields["usd"])))
    except ValueError as error:
        raise InvalidField(f"{where}.usd: {error}.", param=f"{where}.usd") from None
    return _entry(scope, usd, fields["period"], fields.get("timezone", "UTC"), fields.get("hard", True))


def _entry(scope: Scope, usd: str, period: str, timezone: str, hard: bool) -> Entry:
    zone = {} if timezone == "UTC" else {"timezone": timezone}
    return {scope[0]: scope[1], "usd": usd, "period": period, **zone, **({} if hard else {"hard": False})}


def _scope(entry: Entry) -> Scope:
    return next((kind, entry[kind]) for kind in SCOPE_KINDS if kind in entry)


def _name(entry: Entry) -> str:
    return f"{' '.join(_scope(entry))} {entry['period']}"
