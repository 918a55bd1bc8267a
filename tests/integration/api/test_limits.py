"""`/api/limits`: how much there may be a minute."""

import pytest

from tests.integration.api.management import Management, is_problem, within_a_second


@pytest.fixture(scope="module")
def owner(api: Management) -> str:
    return api.owner()


@pytest.fixture
def team(api: Management, request: pytest.FixtureRequest) -> str:
    return api.services.teams.create(request.node.name[:100]).id


def test_a_limit_is_made_changed_and_removed_and_each_is_told(api: Management, owner: str, team: str) -> None:
    asked = {"scope": "team", "scope_id": team, "rpm": 60, "tpm": 1e5}
    made = api.post("/limits", asked, owner)
    assert made.status_code == 201
    assert (made.json["rpm"], made.json["tpm"], made.json["concurrency"]) == (60, 100_000, None)
    assert made.json["team_id"] == team
    path = f"/limits/{made.json['id']}"
    assert is_problem(api.post("/limits", asked, owner), 409, "conflict")
    changed = api.ask("PATCH", path, owner, {"tpm": None, "concurrency": 3}, if_match=made.headers["etag"])
    assert (changed.json["rpm"], changed.json["tpm"], changed.json["concurrency"]) == (60, None, 3)
    assert api.get(path, owner).json == changed.json
    assert api.get(f"/limits?team_id={team}", owner).json["data"] == [changed.json]
    for method, body in (("PATCH", {"rpm": 1}), ("DELETE", None)):
        assert is_problem(api.ask(method, path, owner, body, if_match=made.headers["etag"]), 412, "changed_meanwhile")
    assert api.ask("DELETE", path, owner, if_match=changed.headers["etag"]).status_code == 204
    assert is_problem(api.get(path, owner), 404, "not_found")
    removed, changed_entry, created = api.get(f"/audit?subject_id={made.json['id']}", owner).json["data"]
    assert [one["action"] for one in (created, changed_entry, removed)] == [
        "limits.create",
        "limits.change",
        "limits.remove",
    ]
    assert changed_entry["before"] == {"tpm": 100_000, "concurrency": None}
    assert changed_entry["after"] == {"tpm": None, "concurrency": 3}
    assert removed["before"]["rpm"] == 60


def test_a_limit_holds_within_a_second(api: Management, owner: str) -> None:
    key = api.post("/keys", {"name": "limited"}, owner).json
    limit = api.post("/limits", {"scope": "key", "scope_id": key["id"], "rpm": 1}, owner).json
    body = {"model": "echo", "messages": [{"role": "user", "content": "x"}]}

    def status() -> int:
        return api.gateway.post("/v1/chat/completions", body, key=key["key"]).status_code

    within_a_second(lambda: status() == 429)
    assert api.ask("DELETE", f"/limits/{limit['id']}", owner).status_code == 204
    within_a_second(lambda: status() == 200)


def test_the_last_of_a_limit_is_not_lifted_but_the_limit_removed(api: Management, owner: str, team: str) -> None:
    made = api.post("/limits", {"scope": "team", "scope_id": team, "rpm": 60}, owner).json
    refused = api.ask("PATCH", f"/limits/{made['id']}", owner, {"rpm": None})
    assert is_problem(refused, 400, "invalid_value")
    assert refused.json["param"] == "rpm"
    assert api.get(f"/limits/{made['id']}", owner).json == made


def test_limits_are_listed_page_by_page_and_by_what_they_are_on(api: Management, owner: str, team: str) -> None:
    keys = [api.services.keys.create("paged", team_id=team).id for _ in range(3)]
    ids = [api.post("/limits", {"scope": "key", "scope_id": key, "rpm": 9}, owner).json["id"] for key in keys]
    first = api.get(f"/limits?team_id={team}&limit=2", owner).json
    rest = api.get(f"/limits?team_id={team}&limit=2&after={first['next']}", owner).json
    assert [one["id"] for one in first["data"] + rest["data"]] == ids
    assert rest["next"] is None
    (found,) = api.get(f"/limits?scope=key&scope_id={keys[1]}", owner).json["data"]
    assert found["id"] == ids[1]
