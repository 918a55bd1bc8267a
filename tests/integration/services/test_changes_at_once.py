"""Of several who change the same at once, one is first, and the others are told."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from argon2 import PasswordHasher

from tollhouse.domain.errors import Changed, Conflict, TollhouseError
from tollhouse.domain.rights import Role
from tollhouse.services.keys.keys import Keys
from tollhouse.services.models.models import Models, NewModel
from tollhouse.services.models.providers import Providers
from tollhouse.services.money.budgets import Budgets
from tollhouse.services.money.limits import Limits
from tollhouse.services.people.passwords import Passwords
from tollhouse.services.people.teams import Teams
from tollhouse.services.people.users import Users
from tollhouse.store.database import Database

AT_ONCE = 6
PASSWORD = "a password for tests"
QUICK = Passwords(hasher=PasswordHasher(1, 8, 1))
"""Nobody here signs in."""


def still(seen: object) -> Callable[[object], None]:
    """Raises Changed for what is not what was seen; a look that takes its time, in which others could look as well."""

    def unless_changed(now: object) -> None:
        time.sleep(0.03)
        if now != seen:
            raise Changed("It was changed.")

    return unless_changed


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


def test_of_changes_of_what_was_seen_one_is_made(database: Database, models: Models, host: str, keys: Keys) -> None:
    limits, teams, users = Limits(database), Teams(database), Users(database, QUICK)
    models.add(NewModel("m", host))
    limit, team = limits.set(("model", "m"), {"rpm": 1}), teams.create("seen")
    changed, revoked, rotated = (keys.get(keys.create("seen").id) for _ in range(3))
    promoted, kept_out = (users.create(f"{name}@example.com", PASSWORD).user for name in ("a", "b"))
    attempts: list[Callable[[int], object]] = [
        lambda number: limits.change(limit.id, {"rpm": 10 + number}, unless_changed=still(limit)),
        lambda number: teams.change(team.id, name=f"name {number}", unless_changed=still(team)),
        lambda number: keys.change(changed.id, {"name": f"name {number}"}, unless_changed=still(changed)),
        lambda number: keys.revoke(revoked.id, unless_changed=still(revoked)),
        lambda number: keys.rotate(rotated.id, unless_changed=still(rotated)),
        lambda number: users.set_role(promoted.id, Role.ADMIN, unless_changed=still(promoted)),
        lambda number: users.set_disabled(kept_out.id, True, unless_changed=still(kept_out)),
    ]
    for attempt in attempts:
        assert outcomes(attempt) == [None, *[Changed] * (AT_ONCE - 1)]


def test_a_teams_name_and_an_address_are_taken_once(database: Database) -> None:
    teams, users = Teams(database), Users(database, QUICK)
    attempts: list[Callable[[int], object]] = [
        lambda number: teams.create("one"),
        lambda number: users.create("one@example.com", PASSWORD),
    ]
    for attempt in attempts:
        assert outcomes(attempt) == [None, *[Conflict] * (AT_ONCE - 1)]


def test_who_has_changed_something_else_already_waits_for_nobody_who_waits_for_them(
    database: Database, providers: Providers, models: Models, host: str
) -> None:
    """As `tollhouse apply` does, in one transaction, while others do a part of it."""
    teams, budgets, under_way = Teams(database), Budgets(database), Event()
    models.add(NewModel("m", host))

    def apply() -> None:
        with database.together():
            providers.add("one", "openai", "https://api.example.com/v1")
            under_way.set()
            time.sleep(0.2)
            teams.create("of the file")
            budgets.create(("model", "m"), 1000, "day")

    def create_team() -> None:
        assert under_way.wait(30)
        teams.create("of another")

    def create_budget() -> None:
        assert under_way.wait(30)
        budgets.create(("model", "m"), 1000, "month")

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(work) for work in (apply, create_team, create_budget)]:
            done.result()
    assert {team.name for team in teams.page(9).items} >= {"of the file", "of another"}
    assert {budget.period for budget in budgets.all()} == {"day", "month"}
