"""`[models.NAME]`: the names that calls ask for. Prices are US dollars per million tokens, as decimal strings."""

from collections.abc import Mapping, Sequence
from typing import Any

from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.money import nanos_from_usd, usd_from_nanos
from tollhouse.services.declaration.section import Change, Entry, differing
from tollhouse.services.models.models import Models, NewModel

_PRICES = ("input_price", "output_price")
_FIELDS = ("provider", "upstream_model", *_PRICES, "context_window", "max_output", "fallbacks", "cache_seconds")


class ModelsSection:
    name = "models"
    listed = False

    def __init__(self, models: Models) -> None:
        self._models = models

    def given(self, part: Any) -> Mapping[str, Entry]:
        return {name: _entry(name, {**fields, **_prices(name, fields)}) for name, fields in part.items()}

    def current(self) -> Mapping[str, Entry]:
        return {
            model.name: _entry(
                model.name,
                {field: getattr(model, field) for field in _FIELDS}
                | {field: _usd(getattr(model, field)) for field in _PRICES},
            )
            for model in self._models.all()
        }

    def differences(self, name: str, before: Entry, after: Entry) -> Sequence[str]:
        return differing(before, after)

    def put(self, changes: Sequence[Change], by: Actor) -> None:
        # Without their fallbacks first, in whatever order they are named: what is there when all is done is no loop.
        for change in changes:
            if change.before is None:
                self._models.add(_new(change.name, {**change.after, "fallbacks": ()}), by=by)
            elif "fallbacks" in change.fields:
                self._models.change(change.name, {"fallbacks": ()}, by=by)
        for change in changes:
            if change.before is not None or change.after.get("fallbacks"):
                self._models.change(change.name, _fields(change.after), by=by)


def _entry(name: str, fields: Mapping[str, Any]) -> Entry:
    entry = {field: value for field in _FIELDS if (value := fields.get(field)) not in (None, [], ())}
    if "fallbacks" in entry:
        entry["fallbacks"] = list(entry["fallbacks"])
    if entry.get("upstream_model") == name:
        del entry["upstream_model"]
    return entry


def _new(name: str, entry: Entry) -> NewModel:
    return NewModel(name=name, **{**entry, **_nanos(entry)})


def _fields(entry: Entry) -> dict[str, Any]:
    """All that the file can say of a model: what it does not say is at its default."""
    return {**dict.fromkeys(_FIELDS), **entry, **_nanos(entry)}


def _nanos(entry: Entry) -> dict[str, int]:
    return {field: nanos_from_usd(entry[field]) for field in _PRICES if field in entry}


def _prices(name: str, fields: Entry) -> dict[str, str]:
    """The prices as they are exported, whatever way they are written."""
    prices = {}
    for field in _PRICES:
        if field in fields:
            try:
                prices[field] = usd_from_nanos(nanos_from_usd(str(fields[field])))
            except ValueError as error:
                where = f"models.{name}.{field}"
                raise InvalidField(f"{where}: {error}.", param=where) from None
    return prices


def _usd(nanos: int | None) -> str | None:
    return None if nanos is None else usd_from_nanos(nanos)
