"""Every route with every role against one table, and every team's things from another team."""

import re
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from tests.integration.api.management import Management, is_problem
from tests.integration.api.operations import OPERATIONS, routes
from tollhouse.domain.rights import Role

TABLE = Path(__file__).with_name("rights.txt")
COLUMNS = ["nobody", *(f"org_{role}" for role in Role), *(f"team_{role}" for role in Role)]


def nowhere(text: str) -> str:
    """With ids of nothing instead of those there are."""
    return re.sub(r"\b([a-z]+)_[0-9a-z]{26}\b", rf"\g<1>_{'0' * 26}", text)


def written(statuses: dict[str, list[int]]) -> str:
    width = max(len(route) for route in statuses)
    lines = [" ".join(["route".ljust(width), *COLUMNS])]
    for route, row in statuses.items():
        cells = (str(status).ljust(len(name)) for status, name in zip(row, COLUMNS, strict=True))
        lines.append(" ".join([route.ljust(width), *cells]).rstrip())
    return "\n".join(lines) + "\n"


def test_each_operation_of_the_url_map_is_walked(api: Management) -> None:
    assert routes(api) == sorted(OPERATIONS)


@pytest.fixture(autouse=True, scope="module")
def quick_passwords(api: Management) -> None:
    """Hundreds of people are made here, and not to sign in."""
    api.services._passwords._hasher = PasswordHasher(1, 8, 1)


@pytest.mark.timeout(600)
def test_every_route_gives_every_role_what_the_table_says(api: Management) -> None:
    """Where they differ on purpose, put what this prints into rights.txt, and have it read by somebody else."""
    people = {
        column: api.add(f"{column}@example.com", column.removeprefix("org_") if column.startswith("org_") else None)
        for column in COLUMNS[1:]
    }
    teams = {column: api.services.teams.create(f"walk {column}").id for column in COLUMNS}
    for column in COLUMNS:
        if column.startswith("team_"):
            api.services.teams.set_member(teams[column], people[column], Role(column.removeprefix("team_")))
    found: dict[str, list[int]] = {}
    ended = True
    for route in routes(api):
        if ended:
            tokens = {column: api.token(person) for column, person in people.items()}
        ended = "/auth/" in route
        method, row = route.partition(" ")[0], []
        for column in COLUMNS:
            request = OPERATIONS[route](api, teams[column])
            token = None if request.open or column == "nobody" else tokens[column]
            row.append(api.ask(method, request.path, token, request.body).status_code)
        found[route] = row
    table = written(found)
    assert table == TABLE.read_text(), table


@pytest.mark.parametrize("route", list(OPERATIONS))
def test_what_is_of_another_team_is_not_there(api: Management, route: str) -> None:
    mine, theirs = (api.services.teams.create(f"{side} {route}"[:100]).id for side in ("mine", "theirs"))
    token = api.token(api.add(f"{abs(hash(route))}-walk@example.com", "owner", mine))
    request = OPERATIONS[route](api, theirs)
    answer = api.ask(route.partition(" ")[0], request.path, None if request.open else token, request.body)
    if request.of_team:
        assert is_problem(answer, 404, "not_found")
        body = request.body and {
            name: nowhere(value) if isinstance(value, str) else value for name, value in request.body.items()
        }
        path = nowhere(request.path)
        ghost = api.ask(route.partition(" ")[0], path, token, body)
        shapes = [re.sub(r"_[0-9a-z]{26}", "_ID", one.get_data(as_text=True)) for one in (answer, ghost)]
        assert shapes[0] == shapes[1], "what is not there at all must look the same"
    else:
        assert theirs not in answer.get_data(as_text=True)


def test_lists_show_what_is_of_ones_own_teams_alone(api: Management) -> None:
    mine, theirs = (api.services.teams.create(f"{side} lists").id for side in ("mine", "theirs"))
    keys = {team: api.services.keys.create("listed", team_id=team).id for team in (mine, theirs)}
    budgets = {team: api.services.budgets.set(("key", key), 5, "day").id for team, key in keys.items()}
    limits = {team: api.services.limits.set(("team", team), {"rpm": 5}).id for team in keys}
    both = {"/budgets": api.services.budgets.set(("tag", "listed"), 5, "day").id}
    both["/limits"] = api.services.limits.set(("model", "echo"), {"rpm": 5000}).id
    token = api.token(api.add("lists@example.com", "owner", mine))
    teams = {mine: mine, theirs: theirs}
    work = {"model": "echo", "input": "listed"}
    schedules = {
        team: api.services.schedules.create("listed", "prompt", work, "0 0 1 1 *", key_id=key).id
        for team, key in keys.items()
    }
    runs = {team: api.services.schedule_runs.run_now(id).id for team, id in schedules.items()}
    lists = {"/keys": keys, "/teams": teams, "/audit": keys, "/budgets": budgets, "/limits": limits}
    lists |= {"/schedules": schedules, "/jobs": runs}
    for path, ids in lists.items():
        text = api.get(path, token).get_data(as_text=True)
        assert ids[mine] in text
        assert ids[theirs] not in text
        assert both.get(path, theirs) not in text


def test_every_inference_route_wants_a_caller_and_lets_those_call_who_may(api: Management) -> None:
    team = api.services.teams.create("callers").id
    tokens = {role: api.token(api.add(f"caller-{role}@example.com", role, team)) for role in Role}
    client = api.gateway.app.test_client()
    rules = [rule for rule in api.gateway.app.url_map.iter_rules() if rule.rule.startswith("/v1")]
    assert rules
    for rule in rules:
        path = re.sub(r"<[^>]+>", "x", rule.rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            assert client.open(path, method=method, json={}).status_code == 401, (method, path)
            for role, token in tokens.items():
                answer = client.open(path, method=method, json={}, headers={"authorization": f"Bearer {token}"})
                may = role in (Role.OWNER, Role.ADMIN, Role.MEMBER)
                assert (answer.status_code == 403) != may, (method, path, role, answer.status_code)
                assert answer.status_code != 401
