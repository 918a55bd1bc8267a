"""`[providers.NAME]`: hosts. A credential is named by its variable, and never written out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField
from tollhouse.services.declaration.section import Change, Entry, differing
from tollhouse.services.models.provider_keys import ProviderKeys
from tollhouse.services.models.providers import Providers

VARIABLE = "api_key_env"
KEYS = "keys"
"""Further keys by their names, and for each its variable."""


class ProvidersSection:
    name = "providers"
    listed = False

    def __init__(self, providers: Providers, keys: ProviderKeys, variable: Callable[[str], str | None]) -> None:
        """`variable` reads the environment of whoever applies the file."""
        self._providers = providers
        self._keys = keys
        self._variable = variable

    def given(self, part: Any) -> Mapping[str, Entry]:
        return {name: _entry(**fields) for name, fields in part.items()}

    def current(self) -> Mapping[str, Entry]:
        return {one.name: _entry(one.preset, one.base_url, one.allow_private) for one in self._providers.all()}

    def differences(self, name: str, before: Entry, after: Entry) -> Sequence[str]:
        said = {field: value for field, value in after.items() if field not in (VARIABLE, KEYS)}
        differ = differing(before, said)
        credential = self._credential(name, after)
        if credential is not None and credential != self._providers.credential_of(name):
            differ.append(VARIABLE)
        if any(key != self._keys.credential_of(name, one) for one, key in self._further(name, after).items()):
            differ.append(KEYS)
        return differ

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
            for one, key in self._further(change.name, change.after).items():
                known = self._keys.credential_of(change.name, one)
                if known is None:
                    self._keys.add(change.name, one, key, by=by)
                elif known != key:
                    self._keys.renew(change.name, one, key, by=by)

    def _credential(self, name: str, entry: Entry) -> str | None:
        variable = entry.get(VARIABLE)
        return None if variable is None else self._value(variable, f"providers.{name}.{VARIABLE}")

    def _further(self, name: str, entry: Entry) -> Mapping[str, str]:
        return {
            one: self._value(variable, f"providers.{name}.{KEYS}.{one}")
            for one, variable in entry.get(KEYS, {}).items()
        }

    def _value(self, variable: str, where: str) -> str:
        value = self._variable(variable)
        if not value:
            raise InvalidField(f"{where}: the variable {variable} is not set here.", param=where)
        return value


def _entry(format: str, base_url: str, allow_private: bool = False, **more: Any) -> Entry:
    private = {"allow_private": True} if allow_private else {}
    return {"format": format, "base_url": base_url, **private, **more}
