"""The most that a call can use and cost."""

from dataclasses import replace

import pytest

from tollhouse.domain.call import Facts
from tollhouse.domain.money import MILLION, Prices, Tariff
from tollhouse.domain.routes import Host, Target
from tollhouse.services.calls.admission import CALL_OVERHEAD, MESSAGE_OVERHEAD, TOOLS_OVERHEAD, Bound, bound_of

# A nano-dollar a token in, two a token out: costs can be read off token counts.
TARGET = Target(
    "m", "m", Host("prv_1", "host", "openai", "http://host"), Tariff(Prices(MILLION, MILLION, MILLION, 2 * MILLION))
)
TEXT = Facts("m", 1000, messages=2)
TEXT_TOKENS = 1000 + CALL_OVERHEAD + 2 * MESSAGE_OVERHEAD


def test_text_is_bounded_by_its_bytes_and_the_overhead_of_its_messages() -> None:
    assert bound_of(TEXT, TARGET, 50) == Bound(TEXT_TOKENS, TEXT_TOKENS + 2 * 50, known=True)


def test_tools_cost_an_overhead_once() -> None:
    for tools in (1, 7):
        assert bound_of(replace(TEXT, tools=tools), TARGET, 50).input == TEXT_TOKENS + TOOLS_OVERHEAD


def test_text_is_never_more_than_the_context_window() -> None:
    assert bound_of(TEXT, replace(TARGET, context_window=500), 50) == Bound(500, 500 + 100, known=True)
    assert bound_of(TEXT, replace(TARGET, context_window=5000), 50).input == TEXT_TOKENS


def test_media_are_bounded_by_the_context_window_alone() -> None:
    facts = replace(TEXT, media=1)
    assert bound_of(facts, replace(TARGET, context_window=5000), 50) == Bound(5000, 5000 + 100, known=True)


def test_media_without_a_context_window_have_no_bound() -> None:
    assert not bound_of(replace(TEXT, media=1), TARGET, 50).known


def test_every_choice_may_be_as_long_as_the_cap() -> None:
    assert bound_of(replace(TEXT, choices=3), TARGET, 50).nanos == TEXT_TOKENS + 3 * 2 * 50


def test_no_choice_is_longer_than_what_the_model_can_put_out() -> None:
    bound = bound_of(replace(TEXT, choices=2), replace(TARGET, max_output=30), 1000)
    assert bound == Bound(TEXT_TOKENS, TEXT_TOKENS + 2 * 2 * 30, known=True)


@pytest.mark.parametrize(("max_output", "expected"), [(None, 700), (30, 30)])
def test_without_a_cap_the_output_is_guessed_and_not_bounded(max_output: int | None, expected: int) -> None:
    target = replace(TARGET, max_output=max_output, default_output_cap=700)
    assert bound_of(TEXT, target, None) == Bound(TEXT_TOKENS, TEXT_TOKENS + 2 * expected, known=False)


def test_a_call_that_generates_nothing_needs_no_cap() -> None:
    assert bound_of(replace(TEXT, generates=False), TARGET, None) == Bound(TEXT_TOKENS, TEXT_TOKENS, known=True)


def test_a_model_without_a_price_has_no_bound() -> None:
    assert bound_of(TEXT, replace(TARGET, tariff=None), 50) == Bound(TEXT_TOKENS, 0, known=False)


def test_what_a_provider_bills_beside_tokens_has_no_bound() -> None:
    assert not bound_of(replace(TEXT, surcharged=True), TARGET, 50).known


def test_the_dearest_price_that_can_apply_is_taken() -> None:
    cheap, dear = Prices(MILLION, 0, 3 * MILLION, MILLION), Prices(5 * MILLION, 0, 0, 9 * MILLION)
    target = replace(TARGET, tariff=Tariff(cheap, ((TEXT_TOKENS, dear),)))
    assert bound_of(TEXT, target, 10).nanos == 3 * TEXT_TOKENS + 10
    longer = replace(TEXT, size=1001)
    assert bound_of(longer, target, 10).nanos == 5 * (TEXT_TOKENS + 1) + 9 * 10


IMAGES = Facts("m", 1000, generates=False, surcharged=True, unit="image", units=3000)


def test_units_that_are_known_are_bounded_by_their_price() -> None:
    target = replace(TARGET, tariff=None, unit_prices={"image": 1000 * MILLION})
    assert bound_of(IMAGES, target, None) == Bound(0, 3_000_000, known=True)
    assert not bound_of(replace(IMAGES, units_bounded=False), target, None).known
    assert not bound_of(replace(IMAGES, unit="second"), target, None).known


def test_what_may_be_paid_for_by_tokens_instead_is_bounded_by_both() -> None:
    target = replace(TARGET, unit_prices={"image": 1})
    assert bound_of(IMAGES, target, None) == Bound(0, 1000 + CALL_OVERHEAD, known=False)
    assert bound_of(replace(IMAGES, surcharged=False), target, None).known


def test_a_free_call_is_bounded_without_a_price() -> None:
    facts = Facts("m", 1000, generates=False, free=True)
    assert bound_of(facts, replace(TARGET, tariff=None), None).known
    assert bound_of(facts, replace(TARGET, tariff=None), None).nanos == 0
