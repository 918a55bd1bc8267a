"""`[prices.NAME]`: what is said of a model's prices beyond input and output. US dollars per million tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.money import nanos_from_usd, usd_from_nanos
from tollhouse.domain.price_terms import LongContext, PriceTerms
from tollhouse.services.declaration.section import Change, Entry, differing
from tollhouse.services.models.model_prices import ModelPrices

_PRICES = ("cached_input", "cache_write")
_OF_STEP = tuple(field.name for field in fields(LongContext) if field.name != "above")


class PricesSection:
    name = "prices"
    listed = False

    def __init__(self, prices: ModelPrices) -> None:
        self._prices = prices

    def given(self, part: Any) -> Mapping[str, Entry]:
        entries = {name: _given(f"prices.{name}", stated) for name, stated in part.items()}
        current = self.current()
        # What says nothing of prices of which nothing is said is no change.
        return {name: entry for name, entry in entries.items() if entry or name in current}

    def current(self) -> Mapping[str, Entry]:
        return {name: _entry(terms) for name, terms in self._prices.all().items()}

    def differences(self, name: str, before: Entry, after: Entry) -> Sequence[str]:
        return differing(before, after)

    def put(self, changes: Sequence[Change], by: Actor) -> None:
        for change in changes:
            self._prices.set(change.name, _terms(change.after), by=by)


def _given(where: str, stated: Mapping[str, Any]) -> Entry:
    steps = [
        {"above": step["above"], **_amounts(f"{where}.long_context[{number}]", step, _OF_STEP)}
        for number, step in enumerate(stated.get("long_context", ()))
    ]
    discount = {"batch_discount": stated["batch_discount"]} if stated.get("batch_discount") else {}
    return {**_amounts(where, stated, _PRICES), **discount, **({"long_context": steps} if steps else {})}


def _amounts(where: str, stated: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    """As they are exported, whatever way they are written."""
    found = {}
    for name in names:
        if name in stated:
            try:
                found[name] = usd_from_nanos(nanos_from_usd(str(stated[name])))
            except ValueError as error:
                raise InvalidField(f"{where}.{name}: {error}.", param=f"{where}.{name}") from None
    return found


def _entry(terms: PriceTerms) -> Entry:
    steps = [{"above": step.above, **_usd(step, _OF_STEP)} for step in terms.long_context]
    discount = {"batch_discount": terms.batch_discount} if terms.batch_discount else {}
    return {**_usd(terms, _PRICES), **discount, **({"long_context": steps} if steps else {})}


def _usd(of: PriceTerms | LongContext, names: Sequence[str]) -> dict[str, str]:
    return {name: usd_from_nanos(nanos) for name in names if (nanos := getattr(of, name)) is not None}


def _terms(entry: Entry) -> PriceTerms:
    steps = tuple(
        LongContext(step["above"], **{name: nanos_from_usd(step[name]) for name in _OF_STEP if name in step})
        for step in entry.get("long_context", ())
    )
    prices = {name: nanos_from_usd(entry[name]) for name in _PRICES if name in entry}
    return PriceTerms(**prices, batch_discount=entry.get("batch_discount", 0), long_context=steps)
