"""Who is in a team, and who may put them there."""

import pytest

from tests.integration.api.management import Management, is_problem
from tollhouse.domain.rights import Role


@pytest.fixture
def team(api: Management, request: pytest.FixtureRequest) -> str:
    return api.services.teams.create(request.node.name[:100]).id


@pytest.fixture
def lead(api: Management, team: str, request: pytest.FixtureRequest) -> str:
    """The access token of an owner of the team, and of no more."""
    return api.token(api.add(f"{request.node.name[:40]}@example.com", "owner", team))


def test_a_teams_owner_changes_roles_of_its_members(api: Management, team: str, lead: str) -> None:
    ada = api.add("changed-member@example.com", "viewer", team)
    answer = api.ask("PUT", f"/teams/{team}/members/{ada}", lead, {"role": "member"})
    assert (answer.status_code, answer.json["role"]) == (200, "member")
    assert api.ask("DELETE", f"/teams/{team}/members/{ada}", lead).status_code == 204


def test_a_teams_owner_adds_nobody_by_an_id_and_learns_nothing_of_them(api: Management, team: str, lead: str) -> None:
    elsewhere = api.services.teams.create("the team of a stranger").id
    stranger, ghost = api.add("stranger@example.com", "member", elsewhere), "usr_" + "0" * 26
    budget = api.services.budgets.set(("user", stranger), 5, "day").id
    theirs = api.token(api.add("lead-of-strangers@example.com", "owner", elsewhere))
    told = []
    for user in (stranger, ghost):
        answer = api.ask("PUT", f"/teams/{team}/members/{user}", lead, {"role": "member"})
        assert is_problem(answer, 404, "not_found")
        told.append(answer.get_data(as_text=True).replace(user, "ID"))
    assert told[0] == told[1], "who is there and who is not must look the same"
    assert "stranger@example.com" not in told[0]
    assert api.get(f"/budgets/{budget}", theirs).json["team_id"] == elsewhere, "it is still their team's"
    # Also of those whom they see in another team, where they are no more than a guest.
    api.services.teams.set_member(elsewhere, api.get("/auth/me", lead).json["id"], Role.VIEWER)
    answer = api.ask("PUT", f"/teams/{team}/members/{stranger}", lead, {"role": "member"})
    assert is_problem(answer, 404, "not_found")


def test_a_member_who_left_is_as_unknown_as_anybody(api: Management, team: str, lead: str) -> None:
    ada = api.add("left@example.com", "member", team)
    api.services.teams.remove_member(team, ada)
    assert is_problem(api.ask("PUT", f"/teams/{team}/members/{ada}", lead, {"role": "member"}), 404, "not_found")


def test_who_may_change_all_people_adds_anybody(api: Management, team: str) -> None:
    ada = api.add("added@example.com")
    admin = api.token(api.add("adding@example.com", "admin"))
    answer = api.ask("PUT", f"/teams/{team}/members/{ada}", admin, {"role": "member"})
    assert (answer.status_code, answer.json["email"]) == (200, "added@example.com")
    viewer = api.token(api.add("not-adding@example.com", "viewer"))
    assert is_problem(api.ask("PUT", f"/teams/{team}/members/{ada}", viewer, {"role": "viewer"}), 403, "forbidden")
