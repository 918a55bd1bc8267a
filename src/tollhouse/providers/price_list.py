"""Published prices, from the data that the package `genai-prices` brings along; no network."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

from tollhouse.domain.call import Unit
from tollhouse.domain.money import NANOS_PER_USD, Prices, Tariff
from tollhouse.domain.ports import Listing

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

    _Given = Mapping[str, Decimal | TieredPrices]

# Billed only when a call asks for the provider's own tools, which admission looks at by itself.
_TOOL_PRICES = frozenset({"web_searches_kcount", "storage_searches_kcount"})

_UNITS: Mapping[str, tuple[Unit, int]] = {
    "audio_hours": ("second", 3600),
    "input_audio_hours": ("second", 3600),
    "input_mchars": ("character", 1_000_000),
}
"""Of the list's keys: the unit, and how many of it the price is for."""
_MEDIA_IN = frozenset({"input_audio_mtok", "input_image_mtok"})
_MEDIA_READ = frozenset({"cache_audio_read_mtok", "cache_image_read_mtok"})
_MEDIA_OUT = frozenset({"output_audio_mtok", "output_image_mtok"})


class PublishedPrices:
    """The price list. What it cannot say in our terms it does not know: a price is never guessed low."""

    def find(self, vendor: str, model: str) -> Listing | None:
        """Today's price of the model, which may be named by an alias or with a date; None when it has none by
        the token, the second or the character. Where the price changes with the hour, the dearest of the day.
        """
        try:
            _, found = _snapshot().find_provider_model(model, None, vendor, None)
        except LookupError:
            return None
        return _listing(found)

    def models(self, vendor: str) -> Sequence[str]:
        """The models of this vendor that have a price, by their names in the list."""
        provider = _provider(vendor)
        return [one.id for one in provider.models if self.find(vendor, one.id)] if provider else []

    def vendor_of(self, base_url: str) -> str | None:
        """The vendor whose API is at this URL, as far as the list knows."""
        try:
            return _snapshot().find_provider(None, None, base_url).id
        except LookupError:
            return None


def _snapshot() -> "DataSnapshot":
    # Imported on use: the data takes half a second to load, and most commands need no price.
    from genai_prices.data_snapshot import get_snapshot

    return get_snapshot()


def _provider(vendor: str) -> "Provider | None":
    return next((one for one in _snapshot().providers if one.id == vendor), None)


def _listing(model: "ModelInfo") -> Listing | None:
    today = [_given(prices) for prices in _prices_of_today(model)]
    units = _unit_prices(today)
    tariff = None if units else _dearest([_tariff(given) for given in today])
    if tariff is None and not units:
        return None
    media = _dearest([_tariff(given, media=True) for given in today]) if tariff else None
    return Listing(tariff, model.context_window, media, units)


def _given(prices: "ModelPrice") -> "_Given":
    given = {key: price for key, price in vars(prices).items() if price is not None}
    return {key: price for key, price in given.items() if key not in _TOOL_PRICES}


def _unit_prices(today: Sequence["_Given"]) -> dict[Unit, int]:
    """The dearest of the day, of a model that is billed by nothing else."""
    found: dict[Unit, int] = {}
    for given in today:
        units = [(key, *_UNITS[key]) for key in given if key in _UNITS]
        if len(units) < len(given):
            return {}
        for key, unit, of_them in units:
            price = given[key]
            if isinstance(price, Decimal):
                nanos = int((price * NANOS_PER_USD * 1000 / of_them).to_integral_value(ROUND_CEILING))
                found[unit] = max(found.get(unit, 0), nanos)
    return found


def _prices_of_today(model: "ModelInfo") -> "Iterable[ModelPrice]":
    from genai_prices.types import TimeOfDateConstraint

    now = datetime.now(UTC)
    hours = [now]
    dated = model.prices if isinstance(model.prices, list) else []
    if any(isinstance(one.constraint, TimeOfDateConstraint) for one in dated):
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        hours = [midnight + timedelta(minutes=30 * step) for step in range(48)]
    return [model.get_prices(hour) for hour in hours]


def _tariff(given: "_Given", *, media: bool = False) -> Tariff | None:
    """None for what is not billed by the token alone. A call's tokens of `media` and of text are not told apart: all
    are priced as the dearer ones.
    """
    into = given.get("input_mtok")
    if into is None or not all(key.endswith("_mtok") for key in given):
        return None
    outs = [given[key] for key in ("output_mtok", "output_reasoning_mtok") if key in given]
    outs = outs or [price for key, price in given.items() if key.startswith("output_")]
    read, write = given.get("cache_read_mtok", into), given.get("cache_write_mtok", into)
    ins, reads = [into], [read]
    if media:
        ins += [price for key, price in given.items() if key in _MEDIA_IN]
        reads += [price for key, price in given.items() if key in _MEDIA_READ]
        outs = outs + [price for key, price in given.items() if key in _MEDIA_OUT]

    def at(tokens: int) -> Prices:
        return Prices(
            input=max(_nanos(one, tokens) for one in ins),
            cache_read=max(_nanos(one, tokens) for one in reads),
            cache_write=_nanos(write, tokens),
            output=max((_nanos(out, tokens) for out in outs), default=0),
        )

    tiered = (*ins, *reads, write, *outs)
    starts = sorted({tier.start for price in tiered for tier in getattr(price, "tiers", ())})
    return Tariff(at(0), tuple((start, at(start + 1)) for start in starts))


def _nanos(price: "Decimal | TieredPrices", tokens: int) -> int:
    """Nano-dollars a million tokens, rounded up, of a prompt of so many tokens.

    As the list means it, the last tier that starts below the prompt's length prices all of its tokens.
    """
    if not isinstance(price, Decimal):
        reached = [tier.price for tier in price.tiers if tokens > tier.start]
        price = reached[-1] if reached else price.base
    return int((price * NANOS_PER_USD).to_integral_value(ROUND_CEILING))


def _dearest(of_today: Sequence[Tariff | None]) -> Tariff | None:
    tariffs = [tariff for tariff in of_today if tariff is not None]
    if len(tariffs) < len(of_today):
        return None
    if len(set(tariffs)) == 1:
        return tariffs[0]

    def at(tokens: int) -> Prices:
        all_prices = [tariff.prices_for(tokens) for tariff in tariffs]
        return Prices(
            input=max(one.input for one in all_prices),
            cache_read=max(one.cache_read for one in all_prices),
            cache_write=max(one.cache_write for one in all_prices),
            output=max(one.output for one in all_prices),
        )

    starts = sorted({above for tariff in tariffs for above, _ in tariff.steps})
    return Tariff(at(0), tuple((above, at(above + 1)) for above in starts))
