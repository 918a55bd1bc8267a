"""`/api/keys`, and what all Namespaces share: pages, ETags, problems that name the field."""

import time
from typing import Any

import pytest

from tests.gateway import CHAT
from tests.integration.api.management import Management, is_problem, within_a_second


@pytest.fixture(scope="module")
def owner(api: Management) -> str:
    return api.owner()


@pytest.fixture
def team(api: Management, request: pytest.FixtureRequest) -> str:
    return api.services.teams.create(request.node.name[:100]).id


def make(api: Management, owner: str, **fields: Any) -> Any:
    answer = api.post("/keys", {"name": "tests", **fields}, owner)
    assert answer.status_code == 201, answer.json
    return answer.json


def call(api: Management, key: str, path: str = "/v1/models", **environ: str) -> Any:
    client = api.gateway.app.test_client()
    return client.get(path, headers={"x-api-key": key}, environ_base=environ)


def test_a_key_is_shown_once_and_calls_for_its_team(api: Management, owner: str, team: str) -> None:
    made = make(api, owner, team_id=team, tags=["b", "a", "a"], expires_at="2999-01-01T00:00:00+02:00")
    assert made["key"].startswith("sk-th-")
    assert made["expires_at"] == "2998-12-31T22:00:00Z"
    assert made["tags"] == ["a", "b"]
    assert "key" not in api.get(f"/keys/{made['id']}", owner).json
    assert call(api, made["key"]).status_code == 200
    principal = api.services.authentication.principal(made["key"])
    assert (principal.team_id, principal.tags) == (team, ("a", "b"))


def test_a_members_own_keys_are_theirs_to_make_and_end_and_no_others(api: Management, owner: str, team: str) -> None:
    ada = api.add("own-keys@example.com", "member", team)
    token = api.token(ada)
    mine = api.post("/keys", {"name": "mine", "team_id": team, "user_id": ada}, token)
    assert mine.status_code == 201
    assert is_problem(api.post("/keys", {"name": "theirs", "team_id": team}, token), 403, "forbidden")
    teams = make(api, owner, team_id=team)["id"]
    assert is_problem(api.ask("DELETE", f"/keys/{teams}", token), 403, "forbidden")
    assert api.post(f"/keys/{mine.json['id']}/rotate", {}, token).status_code == 200
    assert api.ask("DELETE", f"/keys/{mine.json['id']}", token).json["revoked_at"]


def test_a_keys_tag_in_capitals_is_no_way_around_the_tags_budget(api: Management, owner: str, team: str) -> None:
    api.gateway.add_echo("tagged", "words=3", max_output=100)
    made = make(api, owner, team_id=team, tags=["Blue"])
    budget = {"scope": "tag", "scope_id": "Blue", "usd": "0.000001", "period": "day"}
    assert api.post("/budgets", budget, owner).status_code == 201
    body = {"model": "tagged", "messages": [{"role": "user", "content": "x"}]}
    answer = api.gateway.post(CHAT, body, key=made["key"])
    assert (answer.status_code, answer.json["error"]["code"]) == (429, "insufficient_quota")
    many = ",".join(f"t{number}" for number in range(16))
    answer = api.gateway.post(CHAT, body, key=made["key"], headers={"x-tollhouse-tags": many})
    assert (answer.status_code, answer.json["error"]["param"]) == (400, "X-Tollhouse-Tags")


def test_a_persons_key_calls_as_long_as_they_may_and_no_longer(api: Management, owner: str, team: str) -> None:
    ada = api.add("demoted@example.com", "member", team)
    made = make(api, owner, team_id=team, user_id=ada)
    assert call(api, made["key"]).status_code == 200
    for role, status in (("viewer", 401), ("member", 200), ("billing_viewer", 401)):
        assert api.ask("PUT", f"/teams/{team}/members/{ada}", owner, {"role": role}).status_code == 200
        within_a_second(lambda status=status: call(api, made["key"]).status_code == status)
    answer = api.post("/keys", {"name": "x", "team_id": team, "user_id": ada}, owner)
    assert is_problem(answer, 400, "invalid_value")
    assert answer.json["param"] == "user_id"


def test_a_team_makes_no_keys_that_are_booked_on_somebody_from_outside(api: Management, owner: str, team: str) -> None:
    chief = api.add("chief@example.com", "admin")
    lead = api.token(api.add("lead@example.com", "owner", team))
    body = {"name": "theirs", "team_id": team, "user_id": chief}
    assert is_problem(api.post("/keys", body, lead), 400, "invalid_value")
    assert api.post("/keys", body, api.token(chief)).status_code == 201
    assert api.post("/keys", body, owner).status_code == 201


def test_a_revoked_key_ends_within_a_second_and_stays_in_the_list(api: Management, owner: str, team: str) -> None:
    made = make(api, owner, team_id=team)
    assert call(api, made["key"]).status_code == 200
    assert api.ask("DELETE", f"/keys/{made['id']}", owner).status_code == 200
    within_a_second(lambda: call(api, made["key"]).status_code == 401)
    assert [one["id"] for one in api.get(f"/keys?team_id={team}", owner).json["data"]] == [made["id"]]
    assert is_problem(api.ask("PATCH", f"/keys/{made['id']}", owner, {"name": "x"}), 409, "conflict")


def test_a_rotated_key_keeps_its_id_and_the_old_one_for_the_overlap(api: Management, owner: str, team: str) -> None:
    old = make(api, owner, team_id=team)
    new = api.post(f"/keys/{old['id']}/rotate", {"overlap_seconds": 2}, owner).json
    within_a_second(lambda: call(api, new["key"]).status_code == 200)
    assert call(api, old["key"]).status_code == 200
    time.sleep(2.1)
    assert call(api, old["key"]).status_code == 401
    assert call(api, new["key"]).status_code == 200


def test_a_key_is_held_to_its_paths_and_networks(api: Management, owner: str, team: str) -> None:
    made = make(api, owner, team_id=team, paths=["/v1/models"], networks=["192.0.2.0/24", "2001:db8::/32"])
    key = made["key"]
    for address in ("192.0.2.9", "2001:db8::1", "::ffff:192.0.2.9"):
        assert call(api, key, REMOTE_ADDR=address).status_code == 200, address
    for address in ("192.0.3.1", "2001:db9::1", "", "nonsense"):
        assert call(api, key, REMOTE_ADDR=address).status_code == 403, address
    assert call(api, key, "/v1/models/echo", REMOTE_ADDR="192.0.2.9").status_code == 200
    body = {"model": "echo", "messages": [{"role": "user", "content": "x"}]}
    narrow = make(api, owner, team_id=team, paths=["/v1/models"])["key"]
    assert api.gateway.post("/v1/chat/completions", body, key=narrow).status_code == 403
    assert api.ask("PATCH", f"/keys/{made['id']}", owner, {"networks": None}).json["networks"] is None
    within_a_second(lambda: call(api, key, REMOTE_ADDR="192.0.3.1").status_code == 200)


def test_pages_go_on_where_the_last_one_ended(api: Management, owner: str, team: str) -> None:
    ids = [make(api, owner, team_id=team)["id"] for _ in range(5)]
    seen, after = [], ""
    for size in (2, 2, 1):
        page = api.get(f"/keys?team_id={team}&limit=2{after}", owner).json
        assert len(page["data"]) == size
        seen += [one["id"] for one in page["data"]]
        after = f"&after={page['next']}"
    assert page["next"] is None
    assert seen == sorted(ids)


def test_a_change_of_what_somebody_else_has_changed_is_a_412(api: Management, owner: str, team: str) -> None:
    made = make(api, owner, team_id=team)
    seen = api.get(f"/keys/{made['id']}", owner).headers["etag"]
    assert api.get(f"/keys/{made['id']}", owner, if_none_match=seen).status_code == 304
    first = api.ask("PATCH", f"/keys/{made['id']}", owner, {"name": "one"}, if_match=seen)
    assert first.status_code == 200
    assert first.headers["etag"] != seen
    refused = api.ask("PATCH", f"/keys/{made['id']}", owner, {"name": "two"}, if_match=seen)
    assert is_problem(refused, 412, "changed_meanwhile")
    assert api.get(f"/keys/{made['id']}", owner).json["name"] == "one"
    for tag in (f"W/{first.headers['etag']}", '"nonsense"', "nonsense"):
        assert api.ask("DELETE", f"/keys/{made['id']}", owner, if_match=tag).status_code == 412
    for tag in ("*", first.headers["etag"]):
        assert api.ask("DELETE", f"/keys/{made['id']}", owner, if_match=tag).status_code in (200, 412)
    assert api.get(f"/keys/{made['id']}", owner).json["revoked_at"]


def test_a_call_with_a_key_shows_when_it_was_and_leaves_the_etag(api: Management, owner: str, team: str) -> None:
    made = make(api, owner, team_id=team)
    before = api.get(f"/keys/{made['id']}", owner)
    assert before.json["last_used_at"] is None
    body = {"model": "echo", "messages": [{"role": "user", "content": "x"}]}
    assert api.gateway.post("/v1/chat/completions", body, key=made["key"]).status_code == 200
    within_a_second(lambda: api.get(f"/keys/{made['id']}", owner).json["last_used_at"])
    assert api.get(f"/keys/{made['id']}", owner).headers["etag"] == before.headers["etag"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\u0000b"}, "name"),
        ({"name": 5}, "name"),
        ({"name": "x", "role": "owner"}, "role"),
        ({"name": "x", "id": "key_1"}, "id"),
        ({"name": "x", "models": ["nothing"]}, "models"),
        ({"name": "x", "models": [5]}, "models[0]"),
        ({"name": "x", "paths": ["chat"]}, "paths"),
        ({"name": "x", "networks": ["10.0.0.1/8"]}, "networks"),
        ({"name": "x", "tags": ["a b"]}, "tags"),
        ({"name": "x", "expires_at": "soon"}, "expires_at"),
        ({"name": "x", "expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"name": "x", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "x", "user_id": "usr_nobody"}, "user_id"),
    ],
)
def test_a_field_that_is_wrong_is_named_and_nothing_is_made(
    api: Management, owner: str, team: str, body: dict[str, Any], param: str
) -> None:
    answer = api.post("/keys", {**body, "team_id": team}, owner)
    assert is_problem(answer, 400, "invalid_value")
    assert answer.json["param"] == param
    assert api.get(f"/keys?team_id={team}", owner).json["data"] == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("more=1", "more"),
        ("after=", "after"),
    ],
)
def test_a_query_that_is_wrong_is_named(api: Management, owner: str, query: str, param: str) -> None:
    answer = api.get(f"/keys?{query}", owner)
    assert is_problem(answer, 400, "invalid_value")
    assert answer.json["param"] == param


def test_nobody_is_told_what_a_body_must_be_before_they_are_known(api: Management) -> None:
    assert is_problem(api.post("/keys", {"nonsense": 1}), 401, "missing_access_token")
    assert is_problem(api.get("/keys?limit=x"), 401, "missing_access_token")
