"""What is usual, what it leads to, and what is far from it."""

from datetime import UTC, date, datetime, timedelta

from tollhouse.services.reports.usage_trends import anomalies_of, forecasts_of

DAY = date(2026, 10, 20)


def flat(cost: int, days: int, before: date = DAY) -> dict[date, int]:
    return {before - timedelta(days=number): cost for number in range(1, days + 1)}


def test_a_month_that_goes_on_as_before_costs_as_much_each_day() -> None:
    noon = datetime(2026, 10, 20, 12, tzinfo=UTC)
    ((name, (month, spent, forecast, basis)),) = forecasts_of({("a",): {**flat(10, 28), DAY: 5}}, noon, 28)
    assert (name, month, basis) == (("a",), "2026-10", 28)
    assert spent == 19 * 10 + 5
    assert forecast == spent + 5 + 11 * 10


def test_a_weekend_is_expected_as_weekends_were() -> None:
    weeks = {day: (0 if day.weekday() > 4 else 10) for day in flat(0, 28)}
    monday = datetime(2026, 10, 19, tzinfo=UTC)
    ((_, (_, spent, forecast, _)),) = forecasts_of({("a",): weeks}, monday, 28)
    assert forecast == spent + 10 * 10, "ten working days from the 19th to the 31st"


def test_days_before_the_first_use_are_no_basis_and_days_without_use_are() -> None:
    started = {DAY - timedelta(days=4): 12}
    ((_, (_, spent, forecast, basis)),) = forecasts_of({("a",): started}, datetime(2026, 10, 20, tzinfo=UTC), 28)
    assert (spent, basis, forecast) == (12, 4, 12 + 3 * 12)


def test_what_costs_five_times_the_usual_is_found_and_what_costs_less_is_not() -> None:
    costs = {("odd",): {**flat(10, 28), DAY: 50}, ("even",): {**flat(10, 28), DAY: 49}}
    assert anomalies_of(costs, DAY, DAY, 5, 28) == [(("odd",), ("2026-10-20", 50, 10, 5.0))]


def test_one_dear_day_does_not_make_the_next_usual() -> None:
    costs = {("a",): {**flat(10, 28), DAY - timedelta(days=1): 10_000, DAY: 60}}
    assert [row[1][1] for row in anomalies_of(costs, DAY, DAY, 5, 28)] == [60]


def test_what_is_new_has_no_usual() -> None:
    assert anomalies_of({("a",): {**flat(1, 2), DAY: 1000}}, DAY, DAY, 5, 28) == []


def test_what_is_used_seldom_is_compared_with_the_days_of_use() -> None:
    seldom = {DAY - timedelta(days=20): 10, DAY - timedelta(days=9): 10}
    assert anomalies_of({("a",): {**seldom, DAY: 30}}, DAY, DAY, 5, 28) == []
    assert anomalies_of({("a",): {**seldom, DAY: 50}}, DAY, DAY, 5, 28) == [(("a",), ("2026-10-20", 50, 10, 5.0))]
