"""What is said of prices beyond input and output goes over what a tariff says."""

from hypothesis import given
from hypothesis import strategies as st

from tollhouse.domain.call import Facts
from tollhouse.domain.money import MILLION, Prices, Rates, Tariff
from tollhouse.domain.price_terms import PLAIN, LongContext, PriceTerms
from tollhouse.domain.routes import Host, Target
from tollhouse.domain.usage import Usage

BASE = Prices(input=4 * MILLION, cache_read=4 * MILLION, cache_write=5 * MILLION, output=10 * MILLION)
LONG = Prices(8 * MILLION, 8 * MILLION, 10 * MILLION, 20 * MILLION)
PUBLISHED = Tariff(BASE, ((100, LONG),))

_price = st.integers(0, 50 * MILLION)
_prices = st.builds(Prices, _price, _price, _price, _price)
_steps = st.lists(
    st.builds(LongContext, st.integers(1, 500), _price, _price, st.none() | _price, st.none() | _price),
    max_size=4,
    unique_by=lambda step: step.above,
).map(lambda steps: tuple(sorted(steps, key=lambda step: step.above)))
_terms = st.builds(PriceTerms, st.none() | _price, st.none() | _price, st.integers(0, 100), _steps)


def test_what_is_not_said_is_as_published() -> None:
    assert PLAIN.over(PUBLISHED) == PUBLISHED
    assert PriceTerms(cached_input=MILLION).over(PUBLISHED).steps == PUBLISHED.steps


def test_cached_input_and_cache_writes_have_prices_of_their_own() -> None:
    tariff = PriceTerms(cached_input=MILLION, cache_write=7 * MILLION).over(Tariff(BASE))
    assert tariff.base == Prices(4 * MILLION, MILLION, 7 * MILLION, 10 * MILLION)
    assert tariff.most(10, 0) == 70, "a bound is at the dearest that can apply"


def test_a_price_of_zero_is_said() -> None:
    assert PriceTerms(cached_input=0).over(Tariff(BASE)).base.cache_read == 0


def test_a_long_prompt_has_the_prices_of_the_last_step_below_it() -> None:
    steps = (
        LongContext(100, 6 * MILLION, 12 * MILLION, cached_input=MILLION, cache_write=MILLION),
        LongContext(200, 7 * MILLION, 14 * MILLION),
    )
    tariff = PriceTerms(long_context=steps).over(PUBLISHED)
    assert tariff.prices_for(100) == BASE
    assert tariff.prices_for(101) == Prices(6 * MILLION, MILLION, MILLION, 12 * MILLION)
    assert tariff.prices_for(201).input == 7 * MILLION


def test_what_a_step_does_not_say_of_its_cache_is_never_too_low() -> None:
    step = LongContext(100, 8 * MILLION, 20 * MILLION)
    prices = PriceTerms(cached_input=MILLION, long_context=(step,)).over(Tariff(BASE)).prices_for(101)
    assert (prices.cache_read, prices.cache_write) == (8 * MILLION, 10 * MILLION)


@given(_prices, _terms, st.integers(0, 600), st.integers(0, 600), st.integers(0, 600), st.integers(0, 600))
def test_no_call_costs_more_than_its_bound(
    base: Prices, terms: PriceTerms, input: int, read: int, write: int, output: int
) -> None:
    usage = Usage(input=input, cache_read=read, cache_write=write, output=output)
    tariff = terms.over(Tariff(base))
    for priced in (tariff, tariff.less(terms.batch_discount)):
        assert priced.prices_for(usage.prompt).cost(usage) <= priced.most(usage.prompt, output)
        assert priced.prices_for(usage.prompt).cost(usage) <= priced.most(usage.prompt + 100, output + 100)


def test_a_batch_costs_less_and_nothing_else_does() -> None:
    target = Target("m", "m", Host("h", "h", "openai", "u"), Tariff(BASE), batch_discount=50)
    usage = Usage(input=10, output=10)
    assert target.rates(Facts("m", 1)).cost(usage) == 140
    assert target.rates(Facts("m", 1, batched=True)).cost(usage) == 70
    assert target.rates(Facts("m", 1, batched=True, free=True)).cost(usage) == 0


def test_a_discount_is_of_units_too_and_rounds_up() -> None:
    assert Rates(None, 3).less(50) == Rates(None, 2)
    assert Prices(3, 3, 3, 3, 3).less(50) == Prices(2, 2, 2, 2, 2)
    assert Prices(3, 3, 3, 3).less(100) == Prices(0, 0, 0, 0)
