"""Of several who change the same at once, one is first, and the others are told."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tollhouse.domain.errors import Changed, Conflict, TollhouseError
from tollhouse.services.budgets import Budgets
from tollhouse.services.limits import Limit, Limits
from tollhouse.services.models import Models, NewModel
from tollhouse.services.providers import Providers
from tollhouse.store.database import Database

AT_ONCE = 6


def outcomes(attempt: Callable[[int], object]) -> list[type[TollhouseError] | None]:
    """What came of so many attempts at once; None for one that was made."""

    def one(number: int) -> type[TollhouseError] | None:
        try:
            attempt(number)
        except TollhouseError as error:
            return type(error)
        return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sorted(pool.map(one, range(AT_ONCE)), key=str, reverse=True)


def test_a_name_a_scope_and_a_period_are_taken_once(
    providers: Providers, models: Models, host: str, database: Database
) -> None:
    budgets, limits = Budgets(database), Limits(database)
    models.add(NewModel("m", host))
    attempts: list[Callable[[int], object]] = [
        lambda number: providers.add("one", "openai", "https://api.example.com/v1"),
        lambda number: models.add(NewModel("one", host)),
        lambda number: budgets.create(("model", "m"), 1000 + number, "day"),
        lambda number: limits.create(("model", "m"), {"rpm": 1 + number}),
    ]
    for attempt in attempts:
        assert outcomes(attempt) == [None, *[Conflict] * (AT_ONCE - 1)]


def test_of_changes_of_what_was_seen_one_is_made(database: Database, models: Models, host: str) -> None:
    limits = Limits(database)
    models.add(NewModel("m", host))
    seen = limits.set(("model", "m"), {"rpm": 1})

    def unless_changed(now: Limit) -> None:
        if now != seen:
            raise Changed("It was changed.")

    made = outcomes(lambda number: limits.change(seen.id, {"rpm": 10 + number}, unless_changed=unless_changed))
    assert made == [None, *[Changed] * (AT_ONCE - 1)]
