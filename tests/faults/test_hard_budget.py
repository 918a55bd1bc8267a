"""1,000 calls at once by four processes against a hard budget that pays for 100."""

import pytest

from tests.racing import race

pytestmark = pytest.mark.faults


def test_exactly_what_fits_is_let_in_and_the_limit_is_never_passed(database_url: str) -> None:
    race(database_url, 4, 250, spread=0, resets=0)


def test_so_it_is_while_the_budget_begins_anew_in_the_middle(database_url: str) -> None:
    race(database_url, 4, 250, spread=3, resets=1)
