"""`/api/budgets`: what may be spent, and who may say so."""

from typing import Any

import pytest

from tests.integration.api.management import Management, is_problem, within_a_second
from tollhouse.domain.principal import ORGANISATION


@pytest.fixture(scope="module")
def owner(api: Management) -> str:
    return api.owner()


@pytest.fixture
def team(api: Management, request: pytest.FixtureRequest) -> str:
    return api.services.teams.create(request.node.name[:100]).id


def make(api: Management, owner: str, scope: str, scope_id: str | None, **fields: Any) -> Any:
    on = {"scope": scope} if scope_id is None else {"scope": scope, "scope_id": scope_id}
    answer = api.post("/budgets", {**on, "usd": "5", "period": "month", **fields}, owner)
    assert answer.status_code == 201, answer.json
    return answer.json


def test_a_budget_is_shown_as_it_was_asked_for(api: Management, owner: str, team: str) -> None:
    made = make(api, owner, "team", team, usd="12.500000001", timezone="Europe/Berlin", soft=True)
    told = {name: made[name] for name in ("scope", "scope_id", "team_id", "usd", "timezone", "soft", "spent_usd")}
    assert told == {
        "scope": "team",
        "scope_id": team,
        "team_id": team,
        "usd": "12.500000001",
        "timezone": "Europe/Berlin",
        "soft": True,
        "spent_usd": "0",
    }
    assert api.get(f"/budgets/{made['id']}", owner).json == made
    assert api.get(f"/budgets?team_id={team}", owner).json == {"data": [made], "next": None}
    again = api.post("/budgets", {"scope": "team", "scope_id": team, "usd": "1", "period": "month"}, owner)
    assert is_problem(again, 409, "conflict")
    assert api.get(f"/budgets/{made['id']}", owner).json == made


@pytest.mark.parametrize(
    ("scope", "scope_id", "kept"),
    [
        ("model", "echo", "echo"),
        ("tag", " Blue ", "blue"),
        ("organisation", None, "all"),
    ],
)
def test_what_is_on_no_team_is_the_organisations(
    api: Management, owner: str, team: str, scope: str, scope_id: str | None, kept: str
) -> None:
    made = make(api, owner, scope, scope_id, period="total")
    assert (made["scope"], made["scope_id"], made["team_id"]) == (scope, kept, None)
    ada = api.token(api.add(f"{scope}-budgets@example.com", "owner", team))
    for method, body in (("GET", None), ("PATCH", {"usd": "1"}), ("DELETE", None)):
        assert is_problem(api.ask(method, f"/budgets/{made['id']}", ada, body), 404, "not_found")
    asked = {"scope": scope, "usd": "1", "period": "day", **({"scope_id": scope_id} if scope_id else {})}
    assert is_problem(api.post("/budgets", asked, ada), 403, "forbidden")
    assert made["id"] not in api.get("/budgets", ada).get_data(as_text=True)
    assert api.ask("DELETE", f"/budgets/{made['id']}", owner).json["retired_at"]


def test_a_person_is_a_teams_own_who_has_no_other_role(api: Management, owner: str, team: str) -> None:
    bob = api.add("bob-budgets@example.com", "member", team)
    ada = api.token(api.add("ada-budgets@example.com", "admin", team))
    made = make(api, ada, "user", bob)
    assert made["team_id"] == team
    other = api.services.teams.create("another of bob's").id
    assert api.ask("PUT", f"/teams/{other}/members/{bob}", owner, {"role": "member"}).status_code == 200
    assert is_problem(api.get(f"/budgets/{made['id']}", ada), 404, "not_found")
    asked = {"scope": "user", "scope_id": bob, "usd": "1", "period": "day"}
    assert is_problem(api.post("/budgets", asked, ada), 404, "not_found")
    assert api.get(f"/budgets/{made['id']}", owner).json["team_id"] is None
    assert api.get(f"/budgets?team_id={team}", owner).json["data"] == []


def test_what_a_call_costs_is_spent_and_leaves_the_etag(api: Management, owner: str) -> None:
    key = api.post("/keys", {"name": "spender"}, owner).json
    api.gateway.add_echo("priced", "words=1")
    budget = make(api, owner, "key", key["id"])
    before = api.get(f"/budgets/{budget['id']}", owner).headers["etag"]
    body = {"model": "priced", "messages": [{"role": "user", "content": "x"}], "max_tokens": 5}
    assert api.gateway.post("/v1/chat/completions", body, key=key["key"]).status_code == 200
    within_a_second(lambda: api.get(f"/budgets/{budget['id']}", owner).json["spent_usd"] != "0")
    after = api.get(f"/budgets/{budget['id']}", owner)
    assert after.json["held_usd"] == "0"
    assert after.headers["etag"] == before
    assert api.ask("PATCH", f"/budgets/{budget['id']}", owner, {"usd": "0"}, if_match=before).json["usd"] == "0"
    refused = api.gateway.post("/v1/chat/completions", body, key=key["key"])
    assert refused.json["error"]["code"] == "insufficient_quota"


def test_a_change_of_what_somebody_else_has_changed_is_a_412(api: Management, owner: str, team: str) -> None:
    path = f"/budgets/{make(api, owner, 'team', team)['id']}"
    seen = api.get(path, owner).headers["etag"]
    assert api.ask("PATCH", path, owner, {"usd": "6"}, if_match=seen).status_code == 200
    for method, body in (("PATCH", {"usd": "7"}), ("DELETE", None)):
        assert is_problem(api.ask(method, path, owner, body, if_match=seen), 412, "changed_meanwhile")
    assert api.get(path, owner).json["usd"] == "6"


def test_in_another_time_zone_it_is_another_budget_in_the_place_of_the_first(
    api: Management, owner: str, team: str
) -> None:
    first = make(api, owner, "team", team, period="day")
    second = api.ask("PATCH", f"/budgets/{first['id']}", owner, {"timezone": "Pacific/Auckland"}).json
    assert second["id"] != first["id"]
    assert (second["usd"], second["timezone"]) == (first["usd"], "Pacific/Auckland")
    assert api.get(f"/budgets/{first['id']}", owner).json["retired_at"]
    assert api.get(f"/budgets?team_id={team}", owner).json["data"] == [second]
    assert is_problem(api.ask("PATCH", f"/budgets/{first['id']}", owner, {"usd": "1"}), 409, "conflict")


def test_budgets_are_listed_page_by_page_and_by_what_they_are_on(api: Management, owner: str, team: str) -> None:
    keys = [api.services.keys.create("paged", team_id=team).id for _ in range(3)]
    ids = [make(api, owner, "key", key)["id"] for key in keys]
    day = make(api, owner, "team", team, period="day")["id"]
    first = api.get(f"/budgets?team_id={team}&limit=2", owner).json
    rest = api.get(f"/budgets?team_id={team}&limit=2&after={first['next']}", owner).json
    assert [one["id"] for one in first["data"] + rest["data"]] == [*ids, day]
    assert rest["next"] is None

    def found(query: str) -> list[str]:
        return [one["id"] for one in api.get(f"/budgets?team_id={team}&{query}", owner).json["data"]]

    assert found("period=day") == found("scope=team") == [day]
    assert found(f"scope=key&scope_id={keys[1]}") == [ids[1]]


def test_each_change_is_told_once_in_the_audit_log(api: Management, owner: str, team: str) -> None:
    made = make(api, owner, "team", team)
    api.ask("PATCH", f"/budgets/{made['id']}", owner, {"usd": "6"})
    api.ask("PATCH", f"/budgets/{made['id']}", owner, {"usd": "6"})
    api.ask("DELETE", f"/budgets/{made['id']}", owner)
    api.ask("DELETE", f"/budgets/{made['id']}", owner)
    retired, changed, created = api.get(f"/audit?subject_id={made['id']}", owner).json["data"]
    assert [one["action"] for one in (created, changed, retired)] == [
        "budgets.create",
        "budgets.change",
        "budgets.retire",
    ]
    assert (changed["before"], changed["after"]) == ({"usd": "5"}, {"usd": "6"})
    assert created["after"]["scope_id"] == created["team_id"] == team
    assert created["actor_kind"] == "person"
    assert ORGANISATION[1] not in created["after"].values()
