"""Laws of money: what is held is never less than what is booked."""

from hypothesis import given
from hypothesis import strategies as st

from tollhouse.domain.money import Prices, Tariff, nanos_from_usd, usd_from_nanos
from tollhouse.domain.usage import Usage

TOKENS = st.integers(0, 2**31 - 1)
UNIT_PRICES = st.integers(0, 10**12)
PRICES = st.builds(Prices, UNIT_PRICES, UNIT_PRICES, UNIT_PRICES, UNIT_PRICES)
USAGES = st.builds(Usage, input=TOKENS, cache_read=TOKENS, cache_write=TOKENS, output=TOKENS)
STEPS = st.dictionaries(st.integers(0, 2**32), PRICES, max_size=4).map(lambda steps: tuple(sorted(steps.items())))
TARIFFS = st.builds(Tariff, PRICES, STEPS)


def added(one: Usage, other: Usage) -> Usage:
    return Usage(
        input=one.input + other.input,
        cache_read=one.cache_read + other.cache_read,
        cache_write=one.cache_write + other.cache_write,
        output=one.output + other.output,
    )


@given(PRICES, USAGES, USAGES)
def test_more_tokens_never_cost_less(prices: Prices, usage: Usage, more: Usage) -> None:
    assert 0 <= prices.cost(usage) <= prices.cost(added(usage, more))


@given(PRICES, USAGES, USAGES)
def test_two_calls_cost_what_one_of_both_costs_and_at_most_a_nano_more(prices: Prices, one: Usage, two: Usage) -> None:
    assert prices.cost(one) + prices.cost(two) - prices.cost(added(one, two)) in (0, 1)


@given(TARIFFS, USAGES, TOKENS, TOKENS)
def test_no_usage_within_the_bound_costs_more_than_the_most(
    tariff: Tariff, usage: Usage, more_in: int, more_out: int
) -> None:
    cost = tariff.prices_for(usage.prompt).cost(usage)
    assert cost <= tariff.most(usage.prompt + more_in, usage.output + more_out)


@given(TARIFFS, TOKENS, TOKENS, TOKENS, TOKENS)
def test_a_larger_bound_never_holds_less(tariff: Tariff, into: int, out: int, more_in: int, more_out: int) -> None:
    assert tariff.most(into, out) <= tariff.most(into + more_in, out + more_out)


@given(st.integers(0, 2**63 - 1))
def test_an_amount_in_dollars_reads_back_as_the_same_nanos(nanos: int) -> None:
    text = usd_from_nanos(nanos)
    assert nanos_from_usd(text) == nanos
    assert nanos_from_usd(f" 00{text}{'' if '.' in text else '.'}000 ") == nanos


@given(st.text(max_size=30) | st.text("0123456789.eE+-_ ", max_size=30))
def test_any_text_is_an_amount_or_a_value_error(text: str) -> None:
    try:
        nanos = nanos_from_usd(text)
    except ValueError:
        return
    assert 0 <= nanos < 2**63
    assert nanos_from_usd(usd_from_nanos(nanos)) == nanos
