"""`[models.NAME]`: the names that calls ask for. Prices are US dollars per million tokens, as decimal strings, as
a similarity is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.money import nanos_from_usd, usd_from_nanos
from tollhouse.services.declaration.section import Change, Entry, differing
from tollhouse.services.models.models import Models, NewModel

_PRICES = ("input_price", "output_price")
_COMPARED = ("cache_embedding_model", "cache_similarity")
_FIELDS = (
    "provider",
    "upstream_model",
    *_PRICES,
    "context_window",
    "max_output",
    "fallbacks",
    "cache_seconds",
    *_COMPARED,
)


class ModelsSection:
    name = "models"
    listed = False

    def __init__(self, models: Models) -> None:
        self._models = models

    def given(self, part: Any) -> Mapping[str, Entry]:
        return {
            name: _entry(name, {**fields, **_prices(name, fields), **_similarity(name, fields)})
            for name, fields in part.items()
        }

    def current(self) -> Mapping[str, Entry]:
        return {
            model.name: _entry(
                model.name,
                {field: getattr(model, field) for field in _FIELDS}
                | {field: _usd(getattr(model, field)) for field in _PRICES}
                | {"cache_similarity": _decimal(model.cache_similarity)},
            )
            for model in self._models.all()
        }

    def differences(self, name: str, before: Entry, after: Entry) -> Sequence[str]:
        return differing(before, after)

    def put(self, changes: Sequence[Change], by: Actor) -> None:
        # Without other models that they name first, in whatever order: what is there when all is done is no loop.
        for change in changes:
            if change.before is None:
                alone = {**change.after, **dict.fromkeys(_COMPARED), "fallbacks": ()}
                self._models.add(_new(change.name, alone), by=by)
            elif "fallbacks" in change.fields:
                self._models.change(change.name, {"fallbacks": ()}, by=by)
        for change in changes:
            if change.before is not None or change.after.get("fallbacks") or "cache_embedding_model" in change.after:
                self._models.change(change.name, _fields(change.after), by=by)


def _entry(name: str, fields: Mapping[str, Any]) -> Entry:
    entry = {field: value for field in _FIELDS if (value := fields.get(field)) not in (None, [], ())}
    if "fallbacks" in entry:
        entry["fallbacks"] = list(entry["fallbacks"])
    if entry.get("upstream_model") == name:
        del entry["upstream_model"]
    return entry


def _new(name: str, entry: Entry) -> NewModel:
    return NewModel(name=name, **{**entry, **_numbers(entry)})


def _fields(entry: Entry) -> dict[str, Any]:
    """All that the file can say of a model: what it does not say is at its default."""
    return {**dict.fromkeys(_FIELDS), **entry, **_numbers(entry)}


def _numbers(entry: Entry) -> dict[str, int | float]:
    numbers: dict[str, int | float] = {field: nanos_from_usd(entry[field]) for field in _PRICES if field in entry}
    if entry.get("cache_similarity") is not None:
        numbers["cache_similarity"] = float(entry["cache_similarity"])
    return numbers


def _similarity(name: str, fields: Entry) -> dict[str, str | None]:
    """As it is exported, whatever way it is written."""
    if "cache_similarity" not in fields:
        return {}
    try:
        return {"cache_similarity": _decimal(float(fields["cache_similarity"]))}
    except ValueError:
        where = f"models.{name}.cache_similarity"
        raise InvalidField(f"{where}: it must be a number above 0, and 1 at most.", param=where) from None


def _decimal(number: float | None) -> str | None:
    return None if number is None else f"{number:.15g}"


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
