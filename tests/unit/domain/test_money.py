"""Nano-dollars, unit prices and price steps."""

import pytest

from tollhouse.domain.money import MILLION, Prices, Rates, Tariff, nanos_from_usd, usd_from_nanos
from tollhouse.domain.usage import Usage

BASE = Prices(input=3 * MILLION, cache_read=MILLION, cache_write=4 * MILLION, output=15 * MILLION)
LONG = Prices(input=6 * MILLION, cache_read=2 * MILLION, cache_write=8 * MILLION, output=22 * MILLION)
TARIFF = Tariff(BASE, ((200_000, LONG),))


def test_each_kind_of_token_has_its_price() -> None:
    assert BASE.cost(Usage(input=1, cache_read=10, cache_write=100, output=1000)) == 3 + 10 + 400 + 15_000


def test_reasoning_is_part_of_the_output_and_not_billed_twice() -> None:
    assert BASE.cost(Usage(output=10, reasoning=9)) == 150


def test_a_fraction_of_a_nano_is_rounded_up_once_a_call() -> None:
    prices = Prices(input=1, cache_read=1, cache_write=1, output=1)
    assert prices.cost(Usage(input=1, cache_read=1, cache_write=1, output=1)) == 1
    assert prices.cost(Usage(input=MILLION, output=1)) == 2


def test_a_step_begins_above_its_number_of_tokens_and_prices_the_whole_prompt() -> None:
    assert TARIFF.prices_for(200_000) is BASE
    assert TARIFF.prices_for(200_001) is LONG


def test_the_most_is_at_the_dearest_prices_that_a_prompt_so_long_can_have() -> None:
    assert TARIFF.most(200_000, 10) == 200_000 * 4 + 10 * 15
    assert TARIFF.most(200_001, 10) == 200_001 * 8 + 10 * 22


def test_a_cheaper_step_does_not_lower_the_most() -> None:
    assert Tariff(LONG, ((100, BASE),)).most(1000, 10) == 1000 * 8 + 10 * 22


@pytest.mark.parametrize(
    ("text", "nanos"),
    [("0", 0), ("0.15", 150_000_000), (" 2.50 ", 2_500_000_000), ("0.000000001", 1), ("1.000000000000", 10**9)],
)
def test_a_plain_amount_is_read_exactly(text: str, nanos: int) -> None:
    assert nanos_from_usd(text) == nanos


@pytest.mark.parametrize(
    "text",
    ["", ".", "1.", "-1", "1e3", "1e999999", "1e-999999999", "NaN", "inf", "1_000", "1,5", "$5", "٣", "9" * 5000],
)
def test_what_is_not_a_plain_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="US dollars"):
        nanos_from_usd(text)


def test_a_tenth_decimal_is_refused_however_far_out_it_is() -> None:
    for text in ("0.0000000001", "0.1000000000000000000000000000000000001"):
        with pytest.raises(ValueError, match="more than nine decimals"):
            nanos_from_usd(text)


def test_an_amount_that_a_database_cannot_hold_is_refused() -> None:
    assert nanos_from_usd("9223372036.854775807") == 2**63 - 1
    with pytest.raises(ValueError, match="more US dollars than can be booked"):
        nanos_from_usd("9223372036.854775808")


@pytest.mark.parametrize(
    ("nanos", "text"), [(0, "0"), (150_000_000, "0.15"), (10**9, "1"), (1, "0.000000001"), (-1_500_000_000, "-1.5")]
)
def test_dollars_are_shown_exactly_and_without_trailing_zeros(nanos: int, text: str) -> None:
    assert usd_from_nanos(nanos) == text


def test_a_call_is_priced_by_its_tokens_or_else_by_its_units() -> None:
    both, tokens, unit = Rates(Tariff(BASE), 5), Rates(Tariff(BASE)), Rates(None, 5)
    used = Usage(input=1, units=1000)
    assert both.prices_for(used) == tokens.prices_for(used) == BASE
    assert both.prices_for(Usage(units=1000)) == unit.prices_for(used) == Prices(0, 0, 0, 0, 5)
    assert tokens.prices_for(Usage(units=1000)) is None
    assert (tokens.cost(Usage()), unit.cost(Usage()), Rates(None).cost(Usage())) == (0, 0, None)


def test_units_are_priced_by_the_million_thousandths() -> None:
    # A cent a unit.
    assert Rates(None, 10_000_000_000).cost(Usage(units=2500)) == 25_000_000
