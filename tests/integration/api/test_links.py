"""Invitations and password resets: signed, single-use, expiring, and silent about who exists."""

import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.integration.api.management import EMAIL, PASSWORD, Management, is_problem
from tollhouse.domain.rights import Role
from tollhouse.store.records import LinkRecord, SignInAttemptRecord

NEW = "another password for tests"


class Letters:
    """A mailer that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def send(self, to: str, subject: str, text: str) -> None:
        self.sent.append((to, text))

    def close(self) -> None:
        pass

    def link(self, to: str) -> str:
        """The address in the last letter to somebody."""
        text = next(text for name, text in reversed(self.sent) if name == to)
        return re.findall(r"https?://\S+", text)[0]

    def token(self, to: str) -> str:
        return self.link(to).partition("#")[2]


@pytest.fixture
def letters(api: Management, monkeypatch: pytest.MonkeyPatch) -> Letters:
    letters = Letters()
    monkeypatch.setattr(api.services.invitations, "_mailer", letters)
    monkeypatch.setattr(api.services.password_resets, "_mailer", letters)
    monkeypatch.setattr(api.services.password_resets, "_aside", lambda work: work())
    return letters


@pytest.fixture(autouse=True)
def forgiven(api: Management) -> None:
    """No test is refused for what another did."""
    with api.services.database.write() as session:
        for row in session.scalars(select(SignInAttemptRecord)):
            session.delete(row)


def invite(api: Management, email: str, role: str = "member", team: str | None = "team_default") -> Any:
    body = {"email": email, "role": role} | ({"team_id": team} if team else {})
    answer = api.post("/users", body, api.owner())
    assert answer.status_code == 202, answer.json
    return answer.json


def accept(api: Management, token: str, password: str = NEW) -> Any:
    return api.post("/auth/invitation", {"token": token, "password": password})


def test_an_invited_person_comes_in_with_the_role_that_was_given(api: Management, letters: Letters) -> None:
    shown = invite(api, "Ada@Example.com")
    assert (shown["email"], shown["role"]) == ("ada@example.com", "member")
    assert re.match(r"http://127\.0\.0\.1:8000/console/invitation#", letters.link("ada@example.com"))
    assert letters.token("ada@example.com") not in str(shown)
    assert accept(api, letters.token("ada@example.com")).json == {"email": "ada@example.com"}
    signed_in = api.login("ada@example.com", NEW).json["access_token"]
    person = api.get("/auth/me", signed_in).json
    assert (person["role"], person["teams"]) == (None, [{"id": "team_default", "role": "member"}])


def test_an_invitation_is_good_once_also_for_those_who_race(api: Management, letters: Letters) -> None:
    invite(api, "once@example.com")
    token = letters.token("once@example.com")
    with ThreadPoolExecutor(4) as pool:
        answers = [*pool.map(lambda _: accept(api, token), range(4))]
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert is_problem(accept(api, token), 400, "invalid_request")


def test_another_invitation_takes_the_place_of_the_first(api: Management, letters: Letters) -> None:
    invite(api, "twice@example.com")
    first = letters.token("twice@example.com")
    invite(api, "twice@example.com", "viewer")
    assert accept(api, first).status_code == 400
    assert accept(api, letters.token("twice@example.com")).status_code == 200


def test_an_invitation_of_somebody_who_is_here_adds_the_role_and_leaves_the_password(
    api: Management, letters: Letters
) -> None:
    api.add("here@example.com")
    invite(api, "here@example.com", "viewer")
    assert accept(api, letters.token("here@example.com")).status_code == 200
    assert api.login("here@example.com", NEW).status_code == 401
    assert api.login("here@example.com").status_code == 200
    assert api.services.users.named("here@example.com").teams == {"team_default": "viewer"}


def test_an_invitation_ends_with_whoever_made_it(api: Management, letters: Letters) -> None:
    admin = api.add("leaver@example.com", "admin")
    body = {"email": "late@example.com", "role": "admin"}
    assert api.post("/users", body, api.token(admin)).status_code == 202
    api.services.users.set_disabled(admin, True)
    assert accept(api, letters.token("late@example.com")).status_code == 400


def test_an_invitation_ends_with_the_right_to_send_it(api: Management, letters: Letters) -> None:
    team = api.services.teams.create("planted").id
    owner = api.add("planting@example.com", "owner", team)
    token = api.token(owner)
    for role in ("owner", "member"):
        body = {"email": f"planted-{role}@example.com", "role": role, "team_id": team}
        assert api.post("/users", body, token).status_code == 202
    api.services.teams.set_member(team, owner, Role.ADMIN)
    assert accept(api, letters.token("planted-owner@example.com")).status_code == 400
    assert [one["role"] for one in api.get(f"/invitations?team_id={team}", api.owner()).json["data"]] == ["member"]
    api.services.teams.remove_member(team, owner)
    assert accept(api, letters.token("planted-member@example.com")).status_code == 400
    assert api.get(f"/invitations?team_id={team}", api.owner()).json["data"] == []


def test_open_invitations_are_listed_and_can_be_withdrawn(api: Management, letters: Letters) -> None:
    team = api.services.teams.create("inviting").id
    lead = api.token(api.add("lead-inviting@example.com", "owner", team))
    sent = [
        api.post("/users", {"email": f"guest-{number}@example.com", "role": "member", "team_id": team}, lead).json
        for number in range(3)
    ]
    first = api.get("/invitations?limit=2", lead).json
    rest = api.get(f"/invitations?limit=2&after={first['next']}", lead).json
    assert first["data"] + rest["data"] == sent
    assert api.get(f"/invitations/{sent[0]['id']}", lead).json == sent[0]

    assert api.ask("DELETE", f"/invitations/{sent[0]['id']}", lead).status_code == 204
    assert accept(api, letters.token("guest-0@example.com")).status_code == 400
    assert accept(api, letters.token("guest-1@example.com")).status_code == 200
    for gone in sent[:2]:
        assert is_problem(api.get(f"/invitations/{gone['id']}", lead), 404, "not_found")
        assert is_problem(api.ask("DELETE", f"/invitations/{gone['id']}", lead), 404, "not_found")
    assert [one["id"] for one in api.get("/invitations", lead).json["data"]] == [sent[2]["id"]]
    expire(api)
    assert api.get("/invitations", lead).json["data"] == []
    (entry,) = api.get(f"/audit?action=users.uninvite&subject_id={sent[0]['id']}", lead).json["data"]
    assert (entry["team_id"], entry["before"]) == (team, {"role": "member"})


def test_invitations_to_the_organisation_are_there_for_those_who_rule_it(api: Management, letters: Letters) -> None:
    shown = invite(api, "board@example.com", "owner", team=None)
    lead = api.token(api.add("lead-of-one@example.com", "owner", "team_default"))
    assert shown["id"] not in api.get("/invitations", lead).get_data(as_text=True)
    assert is_problem(api.ask("DELETE", f"/invitations/{shown['id']}", lead), 404, "not_found")
    admin = api.token(api.add("mere-admin-of-all@example.com", "admin"))
    assert shown["id"] in api.get("/invitations", admin).get_data(as_text=True)
    assert is_problem(api.ask("DELETE", f"/invitations/{shown['id']}", admin), 403, "forbidden")
    assert api.ask("DELETE", f"/invitations/{shown['id']}", api.owner()).status_code == 204


def test_who_may_not_withdraw_an_invitation_puts_no_other_in_its_place(api: Management, letters: Letters) -> None:
    team = api.services.teams.create("replacing").id
    admin = api.token(api.add("replacing@example.com", "admin", team))
    invite(api, "heir@example.com", "owner", team)
    body = {"email": "heir@example.com", "role": "viewer", "team_id": team}
    assert is_problem(api.post("/users", body, admin), 403, "forbidden")
    assert accept(api, letters.token("heir@example.com")).status_code == 200
    assert api.services.users.named("heir@example.com").teams == {team: "owner"}


def test_an_address_is_invited_a_few_times_a_day_whoever_asks(api: Management, letters: Letters) -> None:
    tokens = [api.token(api.add(f"eager-{number}@example.com", "admin")) for number in range(2)]
    body = {"email": "flooded@example.com", "role": "member", "team_id": "team_default"}
    answers = [api.post("/users", body, tokens[number % 2]) for number in range(6)]
    assert [answer.status_code for answer in answers] == [202] * 5 + [429]
    assert is_problem(answers[-1], 429, "too_many_attempts")
    assert 0 < int(answers[-1].headers["retry-after"]) <= 86_400
    assert len([to for to, _ in letters.sent if to == "flooded@example.com"]) == 5
    assert accept(api, letters.token("flooded@example.com")).status_code == 200, "the last one is still good"
    assert api.post("/users", {**body, "email": "other@example.com"}, tokens[0]).status_code == 202


def test_one_person_invites_so_many_in_an_hour(
    api: Management, letters: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.services.invitations, "_per_hour", 3)
    token = api.token(api.add("busy@example.com", "admin"))
    with ThreadPoolExecutor(4) as pool:
        bodies = [{"email": f"busy-{number}@example.com", "role": "member"} for number in range(6)]
        answers = [*pool.map(lambda body: api.post("/users", body, token), bodies)]
    assert sorted(answer.status_code for answer in answers) == [202] * 3 + [429] * 3
    with api.services.database.write() as session:
        an_hour_ago = api.services.database.now(session) - timedelta(hours=1)
        session.execute(update(LinkRecord).values(created_at=an_hour_ago))
    assert api.post("/users", {"email": "later@example.com", "role": "member"}, token).status_code == 202


def expire(api: Management) -> None:
    with api.services.database.write() as session:
        past = api.services.database.now(session) - timedelta(seconds=1)
        session.execute(update(LinkRecord).values(expires_at=past))


def test_links_expire(api: Management, letters: Letters) -> None:
    invite(api, "slow@example.com")
    api.post("/auth/password-reset", {"email": EMAIL})
    expire(api)
    assert accept(api, letters.token("slow@example.com")).status_code == 400
    assert reset(api, letters.token(EMAIL)).status_code == 400


def reset(api: Management, token: str, password: str = NEW) -> Any:
    return api.post("/auth/password-reset/confirm", {"token": token, "password": password})


def test_a_reset_sets_the_password_once_and_ends_what_was_issued(api: Management, letters: Letters) -> None:
    id = api.add("forgot@example.com")
    old = api.pair(id)
    assert api.post("/auth/password-reset", {"email": "Forgot@example.com "}).status_code == 202
    token = letters.token("forgot@example.com")
    assert reset(api, token, "short").json["param"] == "password"
    assert reset(api, token).status_code == 204
    assert is_problem(reset(api, token, PASSWORD), 400, "invalid_request")
    assert api.login("forgot@example.com").status_code == 401
    assert api.login("forgot@example.com", NEW).status_code == 200
    assert api.post("/auth/refresh", {"refresh_token": old["refresh_token"]}).status_code == 401


def test_a_second_reset_link_voids_the_first(api: Management, letters: Letters) -> None:
    api.add("again@example.com")
    api.post("/auth/password-reset", {"email": "again@example.com"})
    first = letters.token("again@example.com")
    api.post("/auth/password-reset", {"email": "again@example.com"})
    assert reset(api, first).status_code == 400
    assert reset(api, letters.token("again@example.com")).status_code == 204


def test_a_reset_says_the_same_of_nobody_and_sends_nothing(api: Management, letters: Letters) -> None:
    answers = [api.post("/auth/password-reset", {"email": email}) for email in (EMAIL, "nobody@example.com")]
    assert answers[0].status_code == answers[1].status_code == 202
    assert answers[0].get_data() == answers[1].get_data()
    assert [to for to, _ in letters.sent] == [EMAIL]


def test_resets_are_throttled_by_account_and_by_address(api: Management, letters: Letters) -> None:
    for _ in range(5):
        assert api.post("/auth/password-reset", {"email": "much@example.com"}).status_code == 202
    assert is_problem(api.post("/auth/password-reset", {"email": "much@example.com"}), 429, "too_many_attempts")
    for number in range(15):
        api.post("/auth/password-reset", {"email": f"{number}@example.com"})
    assert is_problem(api.post("/auth/password-reset", {"email": EMAIL}), 429, "too_many_attempts")
    assert api.login().status_code == 200


def test_a_link_of_one_kind_is_none_of_another_and_nobody_makes_one_up(api: Management, letters: Letters) -> None:
    invite(api, "kind@example.com")
    token = letters.token("kind@example.com")
    payload, stamp, signature = token.split(".")
    assert reset(api, token).status_code == 400
    for forged in ("", "x", "a.b.c", payload, f"{payload}.{stamp}.", f"{payload}.{stamp}.{signature[::-1]}", "." * 900):
        assert accept(api, forged).status_code == 400
    assert accept(api, token).status_code == 200


def test_signing_in_takes_as_long_for_nobody_as_for_somebody(api: Management) -> None:
    """Coarse: the hash is made in both cases, and is what takes the time."""
    api.login("warm@example.com", "x")
    times: dict[str, list[float]] = {EMAIL: [], "nobody@example.com": []}
    for _ in range(4):
        for email, found in times.items():
            began = time.perf_counter()
            assert api.login(email, "wrong").status_code == 401
            found.append(time.perf_counter() - began)
    somebody, nobody = (statistics.median(found) for found in times.values())
    assert 0.5 < somebody / nobody < 2
