"""`[[webhooks]]`: where a team, or the organisation, is told what happens. A webhook is known by its owner and name;
where there are several of that name, by its URL as well.

Secrets are made with a webhook, and are no part of the file: whoever applies it may be a program whose output is kept.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.page import every
from tollhouse.domain.principal import DEFAULT_TEAM, ORGANISATION, Scope
from tollhouse.domain.webhooks import EVERY
from tollhouse.services.declaration.scopes import ScopeNames, scope_of
from tollhouse.services.declaration.section import Change, Entry, differing
from tollhouse.services.people.teams import Teams
from tollhouse.services.webhooks.health import BY_HAND
from tollhouse.services.webhooks.webhooks import Webhook, Webhooks

_OWNERS = ("team", "organisation")


class WebhooksSection:
    name = "webhooks"
    listed = True

    def __init__(self, webhooks: Webhooks, teams: Teams, scopes: ScopeNames) -> None:
        self._webhooks = webhooks
        self._teams = teams
        self._scopes = scopes

    def given(self, part: Any) -> Mapping[str, Entry]:
        stated = [self._given(f"webhooks[{number}]", fields) for number, fields in enumerate(part)]
        there, here = _urls(entry for entry, _ in self._there()), _urls(stated)
        entries: dict[str, Entry] = {}
        for number, entry in enumerate(stated):
            plain, url = _name(entry), entry["url"]
            known = there.get(plain, set())
            # One of a name is that one, whatever its URL was; of several, the one at this URL.
            name = plain if known == {url} or (len(known) <= 1 and len(here[plain]) == 1) else f"{plain} {url}"
            if name in entries:
                where = f"webhooks[{number}]"
                raise InvalidField(f"{where}: there is another webhook of this owner, name and URL.", param=where)
            entries[name] = entry
        return entries

    def current(self) -> Mapping[str, Entry]:
        return {name: entry for name, (entry, _) in self._found().items()}

    def differences(self, name: str, before: Entry, after: Entry) -> Sequence[str]:
        return differing(before, after)

    def put(self, changes: Sequence[Change], by: Actor) -> None:
        found = self._found() if changes else {}
        for change in changes:
            entry = change.after
            if change.before is None:
                made = self._webhooks.create(
                    entry["name"], entry["url"], _types(entry), team_id=self._team_id(scope_of(entry)), by=by
                )
                if not entry.get("enabled", True):
                    self._webhooks.change(made.id, {"enabled": False}, by=by)
                continue
            said = {"url": entry["url"], "event_types": _types(entry), "enabled": entry.get("enabled", True)}
            self._webhooks.change(
                found[change.name][1], {field: said[field] for field in change.fields if field in said}, by=by
            )

    def _given(self, where: str, fields: Mapping[str, Any]) -> Entry:
        owner = fields if any(kind in fields for kind in _OWNERS) else {"team": DEFAULT_TEAM}
        scope = self._scopes.given(where, owner, _OWNERS)
        types = fields.get("event_types", [EVERY])
        try:
            name = self._webhooks.check(fields["name"], fields["url"], types, team_id=self._team_id(scope))
        except InvalidField as error:
            raise InvalidField(f"{where}.{error.message}", param=f"{where}.{error.param}") from None
        return _entry(scope, name, fields["url"], types, fields.get("enabled", True))

    def _found(self) -> dict[str, tuple[Entry, str]]:
        """What is there by name, each with its id; of what is there twice, the older."""
        there = self._there()
        urls = _urls(entry for entry, _ in there)
        found: dict[str, tuple[Entry, str]] = {}
        for entry, id in there:
            plain = _name(entry)
            found.setdefault(plain if len(urls[plain]) == 1 else f"{plain} {entry['url']}", (entry, id))
        return found

    def _there(self) -> list[tuple[Entry, str]]:
        """What is there, each with its id, oldest first."""
        webhooks = [*every(self._webhooks.page)]
        names = self._scopes.named(_owner(one) for one in webhooks)
        # One that the gateway disabled by itself is meant to be enabled.
        return [
            (_entry(names[_owner(one)], one.name, one.url, one.event_types, one.disabled_for != BY_HAND), one.id)
            for one in webhooks
        ]

    def _team_id(self, owner: Scope) -> str | None:
        return None if owner == ORGANISATION else self._teams.named(owner[1]).id


def _owner(webhook: Webhook) -> Scope:
    return ORGANISATION if webhook.team_id is None else ("team", webhook.team_id)


def _entry(owner: Scope, name: str, url: str, event_types: Sequence[str], enabled: bool) -> Entry:
    types = sorted(set(event_types))
    more = {} if types == [EVERY] else {"event_types": types}
    return {owner[0]: owner[1], "name": name, "url": url, **more, **({} if enabled else {"enabled": False})}


def _types(entry: Entry) -> Sequence[str]:
    types: Sequence[str] = entry.get("event_types", [EVERY])
    return types


def _name(entry: Entry) -> str:
    # Quoted, so that no team's name and webhook's name together look like those of others.
    return f"{' '.join(scope_of(entry))} {json.dumps(entry['name'], ensure_ascii=False)}"


def _urls(entries: Iterable[Entry]) -> dict[str, set[str]]:
    """Where those of each name are."""
    urls: dict[str, set[str]] = {}
    for entry in entries:
        urls.setdefault(_name(entry), set()).add(entry["url"])
    return urls
