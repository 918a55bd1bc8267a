"""A hard budget and several processes. `tests/faults` has the same with a thousand calls."""

from tests.racing import race


def test_two_processes_at_once_let_in_exactly_what_fits(database_url: str) -> None:
    race(database_url, 2, 90, spread=0, resets=0)


def test_a_period_that_ends_in_the_middle_gives_what_is_spent_anew_and_no_more(database_url: str) -> None:
    race(database_url, 2, 150, spread=2, resets=1)
