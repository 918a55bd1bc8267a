"""`[providers.NAME]`: hosts. A credential is named by its variable, and never written out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField
from tollhouse.services.declaration.section import Change, Entry, differing
from tollhouse.services.providers import Providers

VARIABLE = "api_key_env"


class ProvidersSection:
    name = "providers"
    listed = False

    def __init__(self, providers: Providers, variable: Callable[[str], str | None]) -> None:
        """`variable` reads the environment of whoever applies the file."""
        self._providers = providers
        self._variable = variable

    def given(self, part: Any) -> Mapping[str, Entry]:
        return {name: _entry(**fields) for name, fields in part.items()}

    def current(self) -> Mapping[str, Entry]:
        return {one.name: _entry(one.preset, one.base_url, one.allow_private) for one in self._providers.all()}

    def differences(self, name: str, before: Entry, after: Entry) -> Sequence[str]:
        said = {field: value for field, value in after.items() if field != VARIABLE}
        credential = self._credential(name, after)
        if credential is None or credential == self._providers.credential_of(name):
            return differing(before, said)
        return [*differing(before, said), VARIABLE]

    def put(self, changes: Sequence[Change], by: Actor) -> None:
        for change in changes:
            terms: dict[str, Any] = {
                "preset": change.after["format"],
                "base_url": change.after["base_url"],
                "credential": self._credential(change.name, change.after),
                "allow_private": change.after.get("allow_private", False),
            }
            if change.before is None:
                self._providers.add(change.name, **terms, by=by)
            else:
                self._providers.change(change.name, **terms, by=by)

    def _credential(self, name: str, entry: Entry) -> str | None:
        variable = entry.get(VARIABLE)
        if variable is None:
            return None
        value = self._variable(variable)
        if not value:
            where = f"providers.{name}.{VARIABLE}"
            raise InvalidField(f"{where}: the variable {variable} is not set here.", param=where)
        return value


def _entry(format: str, base_url: str, allow_private: bool = False, **more: Any) -> Entry:
    private = {"allow_private": True} if allow_private else {}
    return {"format": format, "base_url": base_url, **private, **more}
