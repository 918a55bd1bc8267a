"""What the published price list says, in our terms."""

from datetime import date, time
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage, data_snapshot
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)

from tollhouse.domain import usage
from tollhouse.domain.call import Unit
from tollhouse.domain.money import Prices, Tariff
from tollhouse.providers.price_list import PublishedPrices

USD = 1_000_000_000


def listed(
    monkeypatch: pytest.MonkeyPatch, prices: ModelPrice | list[ConditionalPrice], **more: Any
) -> PublishedPrices:
    model = ModelInfo("m", ClauseEquals("m"), prices=prices, **more)
    provider = Provider("acme", "Acme", r"https://api\.acme\.example", models=[model])
    snapshot = data_snapshot.DataSnapshot([provider], from_auto_update=False)
    monkeypatch.setattr(data_snapshot, "_custom_snapshot", snapshot)
    return PublishedPrices()


def tariff(monkeypatch: pytest.MonkeyPatch, prices: ModelPrice | list[ConditionalPrice]) -> Tariff:
    listing = listed(monkeypatch, prices).find("acme", "m")
    assert listing is not None
    assert listing.tariff is not None
    return listing.tariff


def test_prices_are_whole_nano_dollars_for_a_million_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = ModelPrice(
        input_mtok=Decimal("0.15"),
        cache_read_mtok=Decimal("0.075"),
        cache_write_mtok=Decimal("0.1875"),
        output_mtok=Decimal("0.6"),
        web_searches_kcount=Decimal(10),
    )
    assert tariff(monkeypatch, prices) == Tariff(Prices(150_000_000, 75_000_000, 187_500_000, 600_000_000))


def test_what_is_smaller_than_a_nano_dollar_is_rounded_up(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = ModelPrice(input_mtok=Decimal("0.0000000001"), output_mtok=Decimal("0.0000000011"))
    assert tariff(monkeypatch, prices) == Tariff(Prices(1, 1, 1, 2))


def test_a_cache_without_a_price_costs_what_input_does(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = ModelPrice(input_mtok=Decimal(2), output_mtok=Decimal(3))
    assert tariff(monkeypatch, prices) == Tariff(Prices(2 * USD, 2 * USD, 2 * USD, 3 * USD))


def test_a_model_that_only_reads_has_no_price_for_output(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tariff(monkeypatch, ModelPrice(input_mtok=Decimal(1))).base.output == 0


def test_thought_that_is_dearer_than_speech_sets_the_price_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(2), output_reasoning_mtok=Decimal(3))
    assert tariff(monkeypatch, prices).base.output == 3 * USD


@pytest.mark.parametrize(
    "prices",
    [
        ModelPrice(),
        ModelPrice(output_mtok=Decimal(1)),
        ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(1), requests_kcount=Decimal(12)),
    ],
)
def test_what_is_not_billed_by_the_token_alone_has_no_known_price(
    prices: ModelPrice, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert listed(monkeypatch, prices).find("acme", "m") is None
    assert listed(monkeypatch, prices).models("acme") == []


def test_each_threshold_of_any_price_is_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = ModelPrice(
        input_mtok=TieredPrices(Decimal(1), [Tier(200, Decimal(2)), Tier(300, Decimal(3))]),
        output_mtok=TieredPrices(Decimal(4), [Tier(200, Decimal(5))]),
        cache_read_mtok=Decimal("0.5"),
    )
    found = tariff(monkeypatch, prices)
    assert [above for above, _ in found.steps] == [200, 300]
    half = USD // 2
    assert found.prices_for(200) == Prices(USD, half, USD, 4 * USD)
    assert found.prices_for(201) == Prices(2 * USD, half, 2 * USD, 5 * USD)
    assert found.prices_for(301) == Prices(3 * USD, half, 3 * USD, 5 * USD)


def test_a_price_that_starts_later_is_not_taken_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    def at(usd: int, year: int) -> ConditionalPrice:
        return ConditionalPrice(
            StartDateConstraint(date(year, 1, 1)),
            prices=ModelPrice(input_mtok=Decimal(usd), output_mtok=Decimal(usd)),
        )

    assert tariff(monkeypatch, [at(1, 2020), at(2, 2024), at(3, 9999)]).base.input == 2 * USD


def test_a_price_that_changes_with_the_hour_is_the_dearest_of_the_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    night = TimeOfDateConstraint(time(1), time(4))
    cheap = ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(5))
    dear = ModelPrice(input_mtok=TieredPrices(Decimal(2), [Tier(100, Decimal(9))]), output_mtok=Decimal(3))
    found = tariff(monkeypatch, [ConditionalPrice(prices=cheap), ConditionalPrice(night, prices=dear)])
    assert found.prices_for(100) == Prices(2 * USD, 2 * USD, 2 * USD, 5 * USD)
    assert found.prices_for(101) == Prices(9 * USD, 9 * USD, 9 * USD, 5 * USD)


def test_a_listing_has_the_context_window(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = listed(monkeypatch, ModelPrice(input_mtok=Decimal(1)), context_window=8192).find("acme", "m")
    assert listing is not None
    assert listing.context_window == 8192


def test_what_the_list_does_not_know_is_not_guessed() -> None:
    prices = PublishedPrices()
    assert prices.find("openai", "no-such-model-x1") is None
    assert prices.find("nobody", "gpt-4o-mini") is None
    assert prices.models("nobody") == []


@pytest.mark.parametrize(
    ("url", "vendor"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("http://127.0.0.1:8080", None),
    ],
)
def test_the_list_knows_vendors_by_their_url(url: str, vendor: str | None) -> None:
    assert PublishedPrices().vendor_of(url) == vendor


@pytest.mark.parametrize(
    ("vendor", "model"),
    [("openai", "gpt-4o-mini"), ("openai", "text-embedding-3-small"), ("anthropic", "claude-sonnet-4-5")],
)
@pytest.mark.parametrize("counts", [(1000, 0, 0, 1000), (1000, 500_000, 3, 77)])
def test_a_call_costs_what_the_list_itself_computes(vendor: str, model: str, counts: tuple[int, int, int, int]) -> None:
    plain, read, write, out = counts
    listing = PublishedPrices().find(vendor, model)
    assert listing is not None
    assert listing.tariff is not None
    if not listing.tariff.base.output:
        out = 0
    if listing.tariff.base.cache_write == listing.tariff.base.input:
        write = 0
    used = usage.Usage(input=plain, cache_read=read, cache_write=write, output=out)
    theirs = data_snapshot.get_snapshot().calc(
        Usage(input_tokens=used.prompt, cache_read_tokens=read, cache_write_tokens=write, output_tokens=out),
        model,
        vendor,
        None,
        None,
    )
    cost = listing.tariff.prices_for(used.prompt).cost(used)
    assert 0 <= cost - theirs.total_price * USD < 1


def test_every_vendor_model_that_is_named_has_a_price() -> None:
    prices = PublishedPrices()
    for vendor in ("openai", "anthropic"):
        names = prices.models(vendor)
        assert len(names) > 20
        assert all(prices.find(vendor, name) for name in names)
    assert {"whisper-1", "tts-1"} <= {*prices.models("openai")}
    assert "moderation" not in prices.models("openai")


@pytest.mark.parametrize(
    ("prices", "unit", "nanos"),
    [
        (ModelPrice(audio_hours=Decimal("0.36"), input_audio_hours=Decimal("0.36")), "second", USD // 10),
        (ModelPrice(input_audio_hours=Decimal("0.111")), "second", 30_833_334),
        (ModelPrice(input_mchars=Decimal(15)), "character", 15_000_000),
    ],
)
def test_what_is_billed_by_the_second_or_the_character_has_a_price_by_a_million_thousandths_of_it(
    prices: ModelPrice, unit: Unit, nanos: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = listed(monkeypatch, prices).find("acme", "m")
    assert listing is not None
    assert (listing.tariff, listing.unit_prices) == (None, {unit: nanos})


def test_tokens_of_images_and_sound_are_priced_as_the_dearest_of_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = ModelPrice(
        input_mtok=Decimal(5),
        input_image_mtok=Decimal(8),
        output_mtok=Decimal(10),
        output_image_mtok=Decimal(32),
        cache_read_mtok=Decimal(1),
        cache_image_read_mtok=Decimal(2),
    )
    listing = listed(monkeypatch, prices).find("acme", "m")
    assert listing is not None
    assert listing.tariff == Tariff(Prices(5 * USD, USD, 5 * USD, 10 * USD))
    assert listing.media_tariff == Tariff(Prices(8 * USD, 2 * USD, 5 * USD, 32 * USD))
