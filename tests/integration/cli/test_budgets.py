import pytest


@pytest.fixture
def key(tollhouse) -> str:
    return str(tollhouse.json("keys", "create", "--name", "x")["id"])


def test_a_budget_is_set_changed_listed_and_retired(tollhouse, key: str) -> None:
    made = tollhouse.json("budgets", "set", "--key", key, "--usd", "5", "--period", "month")
    assert (made["key"], made["limit_usd"], made["spent_usd"], made["hard"]) == (key, "5", "0", True)
    changed = tollhouse.json("budgets", "set", "--key", key, "--usd", "0.25", "--period", "month", "--soft")
    assert (changed["id"], changed["limit_usd"], changed["hard"]) == (made["id"], "0.25", False)
    assert tollhouse.json("budgets", "list") == [changed]
    assert f"key {key}" in tollhouse("budgets", "list").stdout
    assert tollhouse.json("budgets", "retire", made["id"]) == {"id": made["id"], "retired": True}
    assert tollhouse.json("budgets", "list") == []


def test_a_month_begins_where_the_time_zone_says(tollhouse, key: str) -> None:
    made = tollhouse.json(
        "budgets", "set", "--key", key, "--usd", "5", "--period", "month", "--timezone", "Asia/Kolkata"
    )
    assert made["starts_at"].endswith("T18:30:00Z")


@pytest.mark.parametrize(
    ("options", "kind", "id"),
    [
        (("--team", "team_default"), "team", "team_default"),
        (("--tag", "Blue"), "tag", "blue"),
        (("--organisation",), "organisation", "all"),
    ],
)
def test_a_budget_is_for_what_the_options_say(tollhouse, options: tuple[str, ...], kind: str, id: str) -> None:
    made = tollhouse.json("budgets", "set", *options, "--usd", "5", "--period", "month")
    assert made[kind] == id


@pytest.mark.parametrize("options", [(), ("--tag", "a", "--organisation"), ("--tag", "a", "--team", "team_default")])
def test_a_budget_is_for_one_thing(tollhouse, options: tuple[str, ...]) -> None:
    said = tollhouse.error("budgets", "set", *options, "--usd", "5", "--period", "month", status=2)
    assert "Say what it is for" in said


def test_people_read_what_a_budget_allows(tollhouse, key: str) -> None:
    told = tollhouse("budgets", "set", "--key", key, "--usd", "5", "--period", "day").stdout
    assert "5 USD for each day" in told
    told = tollhouse("budgets", "set", "--key", key, "--usd", "7.50", "--period", "total").stdout
    assert "7.5 USD in total" in told


@pytest.mark.parametrize(
    ("changes", "status", "sentence"),
    [
        ({"--usd": "-1"}, 2, "from 0 up"),
        ({"--usd": "much"}, 2, "not an amount"),
        ({"--period": "year"}, 2, "'year' is not one of"),
        ({"--timezone": "Mars/Base"}, 2, "not a time zone"),
        ({"--key": "key_nope"}, 1, "tollhouse keys list"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(
    tollhouse, key: str, changes: dict[str, str], status: int, sentence: str
) -> None:
    given = {"--key": key, "--usd": "5", "--period": "day", **changes}
    arguments = [word for pair in given.items() for word in pair]
    assert sentence in tollhouse.error("budgets", "set", *arguments, status=status)


def test_a_budget_that_is_not_there_cannot_be_retired(tollhouse) -> None:
    assert "tollhouse budgets list" in tollhouse.error("budgets", "retire", "bud_nope")
