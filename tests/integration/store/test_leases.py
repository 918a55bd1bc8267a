"""Leases: one process does what only one may do."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tollhouse.store.database import Database
from tollhouse.store.leases import Leases


@pytest.fixture
def leases(database: Database) -> Leases:
    return Leases(database)


def test_one_of_two_owners_has_a_lease(leases: Leases) -> None:
    assert leases.take("scheduler", "one", 60)
    assert not leases.take("scheduler", "two", 60)


def test_one_of_many_that_take_it_at_once_has_it(leases: Leases) -> None:
    with ThreadPoolExecutor(6) as pool:
        taken = list(pool.map(lambda owner: leases.take("scheduler", str(owner), 60), range(6)))
    assert taken.count(True) == 1


def test_a_lease_is_renewed_by_its_owner(leases: Leases) -> None:
    assert leases.take("scheduler", "one", 0.2)
    assert leases.take("scheduler", "one", 60)
    time.sleep(0.21)
    assert not leases.take("scheduler", "two", 60)


def test_a_lease_that_was_not_renewed_is_anybodys(leases: Leases) -> None:
    leases.take("scheduler", "one", 0.1)
    time.sleep(0.11)
    assert leases.take("scheduler", "two", 60)
    assert not leases.take("scheduler", "one", 60)


def test_a_lease_is_given_up_by_its_owner_alone(leases: Leases) -> None:
    leases.take("scheduler", "one", 60)
    leases.release("scheduler", "two")
    assert not leases.take("scheduler", "two", 60)
    leases.release("scheduler", "one")
    assert leases.take("scheduler", "two", 60)


def test_leases_of_other_names_are_other_leases(leases: Leases) -> None:
    assert leases.take("scheduler", "one", 60)
    assert leases.take("sweep", "two", 60)


def test_a_lease_that_a_clock_set_back_made_endless_is_anybodys(leases: Leases) -> None:
    assert leases.take("scheduler", "one", 3600)
    assert leases.take("scheduler", "two", 10), "an hour is no lease of ten seconds"
    assert not leases.take("scheduler", "one", 10)


def test_those_whose_lease_runs_are_told(leases: Leases) -> None:
    leases.take("a", "a", 60)
    leases.take("b", "b", 0.1)
    time.sleep(0.11)
    assert leases.held(["a", "b", "c"], 60) == {"a"}
