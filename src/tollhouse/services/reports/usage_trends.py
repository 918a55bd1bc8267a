"""What is usual, what it leads to, and what is far from it. Pure: costs in nano-dollars by day, as they were."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from statistics import median

LEAST_DAYS = 3
"""Of which something can be called usual."""
WEEKS_DAYS = 14
"""From so many on, a Sunday is expected to be as Sundays were."""
Name = tuple[str, ...]
Costs = Mapping[date, int]


def forecasts_of(
    costs: Mapping[Name, Costs], now: datetime, basis_days: int
) -> Iterator[tuple[Name, tuple[str, int, int, int]]]:
    """Of each name: the month, what it has cost, what it will have by its end, and of how many days that was told.

    `now` is in the zone of the days. What is left of today, and each day after it, costs what its weekday did on
    average in the days before today, from the first on that cost anything.
    """
    today = now.date()
    month_end = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    for name, by_day in sorted(costs.items()):
        spent = sum(cost for day, cost in by_day.items() if day >= today.replace(day=1))
        basis = _basis(by_day, today, basis_days)
        left_of_today = 1 - (now.hour * 3600 + now.minute * 60 + now.second) / 86_400
        expected = left_of_today * _expected(basis, today)
        day = today + timedelta(days=1)
        while day < month_end:
            expected += _expected(basis, day)
            day += timedelta(days=1)
        if spent or expected:
            yield name, (f"{today:%Y-%m}", spent, spent + round(expected), len(basis))


def anomalies_of(
    costs: Mapping[Name, Costs], first: date, last: date, factor: float, basis_days: int
) -> list[tuple[Name, tuple[str, int, int, float]]]:
    """Each name and day of [first, last] that cost `factor` times the usual or more, with both and how many times that
    is; the most unusual first. The usual is the median of the days before, from the first on that cost anything;
    where most of them cost nothing, the mean of those that did.
    """
    found = []
    for name, by_day in costs.items():
        for day, cost in by_day.items():
            if not first <= day <= last:
                continue
            before = [*_basis(by_day, day, basis_days).values()]
            if len(before) < LEAST_DAYS:
                continue
            spent = [one for one in before if one > 0]
            usual = round(median(before)) or round(sum(spent) / max(1, len(spent)))
            if usual > 0 and cost >= factor * usual:
                found.append((name, (day.isoformat(), cost, usual, round(cost / usual, 2))))
    return sorted(found, key=lambda one: (-one[1][3], one[0], one[1][0]))


def _basis(by_day: Costs, day: date, days: int) -> dict[date, int]:
    """What each of the days before cost, from the first on that cost anything."""
    before = [one for one in by_day if day - timedelta(days=days) <= one < day]
    if not before:
        return {}
    first = min(before)
    return {one: by_day.get(one, 0) for one in (first + timedelta(days=number) for number in range((day - first).days))}


def _expected(basis: Costs, day: date) -> float:
    alike = [cost for one, cost in basis.items() if one.weekday() == day.weekday()]
    chosen = alike if len(basis) >= WEEKS_DAYS else [*basis.values()]
    return sum(chosen) / len(chosen) if chosen else 0.0
