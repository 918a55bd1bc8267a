"""What is known of a person: told to them, and forgotten."""

import io
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from tests.integration.api.management import PASSWORD, Management, is_problem, within_a_second
from tollhouse.domain.actor import SYSTEM
from tollhouse.domain.rights import Role
from tollhouse.domain.vouched import Vouched
from tollhouse.services.people.identities import link
from tollhouse.services.privacy import forgetting
from tollhouse.store.records import Base, UserRecord

EMAIL = "ada.lovelace@example.com"
SUBJECT = "ada at the issuer"
KEY_NAME = "the laptop of Ada Lovelace"


@pytest.fixture
def ada(api: Management) -> Any:
    """The id of somebody who has left traces everywhere."""
    services = api.services
    id = api.add(EMAIL, "member", "team_default")
    team = services.teams.create("analysts").id
    services.teams.set_member(team, id, Role.VIEWER)
    services.invitations.invite(EMAIL, Role.MEMBER, team)
    with services.database.write() as session:
        user, now = session.get(UserRecord, id), services.database.now(session)
        assert user is not None
        link(session, user, Vouched("https://login.example.com", SUBJECT, None, now, now), SYSTEM, now)
    assert api.login(EMAIL).status_code == 200
    assert api.login(EMAIL, "wrong").status_code == 401
    api.post("/auth/password-reset", {"email": EMAIL})
    yield id
    services.teams.change(team, name=f"analysts before {id}", archived=True)


def key_of(api: Management, id: str) -> Any:
    return api.services.keys.create(KEY_NAME, user_id=id)


def tables_with(api: Management, *words: str) -> set[str]:
    """The tables in which one of the words stands anywhere."""
    found = set()
    with api.services.database.read() as session:
        for table in Base.metadata.sorted_tables:
            rows = session.execute(select(text("*")).select_from(table)).all()
            found |= {table.name for row in rows if any(word in repr(tuple(row)) for word in words)}
    return found


def test_the_export_has_all_that_is_known_and_no_secret(api: Management, ada: str) -> None:
    key = key_of(api, ada)
    body = {"model": "echo", "messages": [{"role": "user", "content": "x"}], "user": "ada's editor"}
    assert api.gateway.post("/v1/chat/completions", body, key=key.key).status_code == 200
    form = {"purpose": "user_data", "file": (io.BytesIO(b"x"), "about ada.txt")}
    client = api.gateway.app.test_client()
    file = client.post("/v1/files", data=form, headers={"authorization": f"Bearer {key.key}"}).json
    api.gateway.rows()
    news = {"name": "news", "kind": "prompt", "work": {"model": "echo", "input": "x"}, "cron": "0 6 * * *"}
    schedule = api.post("/schedules", {**news, "key_id": key.id}, api.token(ada)).json["id"]
    hook = {"name": "hers", "url": "https://hooks.example.com/x", "event_types": ["*"], "team_id": "team_default"}
    api.services.teams.set_member("team_default", ada, Role.ADMIN)
    webhook = api.post("/webhooks", hook, api.token(ada)).json["id"]
    api.services.teams.set_member("team_default", ada, Role.MEMBER)
    answer = api.get(f"/users/{ada}/export", api.owner())
    assert answer.status_code == 200
    data = answer.json
    assert data["profile"]["email"] == EMAIL
    assert [(one["issuer"], one["subject"]) for one in data["identities"]] == [("https://login.example.com", SUBJECT)]
    assert {one["role"] for one in data["memberships"]} == {"member", "viewer"}
    assert [one["id"] for one in data["keys"]] == [key.id]
    assert data["sessions"]
    assert {one["kind"] for one in data["invitations"]} >= {"invitation"}
    assert [(one["id"], one["filename"]) for one in data["files"]] == [(file["id"], "about ada.txt")]
    assert [one["id"] for one in data["webhooks"]] == [webhook]
    api.services.webhooks.remove(webhook)
    assert [one["id"] for one in data["schedules"]] == [schedule]
    assert data["end_users"] == ["ada's editor"]
    assert data["usage"]["requests"] == 1
    assert {"auth.sign_in", "users.create", "users.link", "users.export"} <= {
        one["action"] for one in data["audit_entries"]
    }
    with api.services.database.read() as session:
        user = session.get(UserRecord, ada)
        assert user is not None
        secrets = [user.password_hash, key.key, *session.execute(text("SELECT digest FROM api_keys")).scalars()]
    said = answer.get_data(as_text=True)
    assert not [secret for secret in secrets if secret in said]
    (entry,) = api.get(f"/audit?action=users.export&subject_id={ada}", api.owner()).json["data"]
    assert entry["actor_kind"] == "person"
    api.services.personal_data.delete(ada)


def test_deleted_is_the_person_and_not_what_they_used(
    api: Management, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, key = api.token(ada), key_of(api, ada)
    body = {"model": "echo", "messages": [{"role": "user", "content": "x"}], "user": EMAIL}
    before = len(api.gateway.rows(0))
    for credential in (token, key.key):
        assert api.gateway.post("/v1/chat/completions", body, key=credential).status_code == 200
    api.gateway.rows(before + 2)
    assert tables_with(api, EMAIL, SUBJECT)

    assert api.ask("DELETE", f"/users/{ada}", api.owner()).status_code == 204

    within_a_second(lambda: api.gateway.post("/v1/chat/completions", body, key=key.key).status_code == 401)
    within_a_second(lambda: api.get("/auth/me", token).status_code == 401)
    assert is_problem(api.login(EMAIL), 401, "wrong_login")
    sums = api.services.usage.by("user")[ada]
    assert sums.requests >= 2, "a call may have come in until the last process had heard of it"
    assert tables_with(api, EMAIL, SUBJECT) <= {"forgettings", "ledger"}
    monkeypatch.setattr(forgetting, "SETTLED_AFTER", timedelta(0))
    api.services.forgetting.run()
    assert not tables_with(api, EMAIL, SUBJECT)
    assert {row.end_user for row in api.gateway.rows(before + 2)[before:]} == {None}
    assert api.services.usage.by("user")[ada] == sums
    assert tables_with(api, KEY_NAME) == {"audit_entries"}, "the audit log cannot be changed"
    entries = api.get(f"/audit?actor_id={ada}", api.owner()).json["data"]
    assert entries
    assert all(entry["actor_email"] is None for entry in entries)
    (entry,) = api.get(f"/audit?action=users.delete&subject_id={ada}", api.owner()).json["data"]
    assert entry["actor_email"] == "admin@localhost"
    assert is_problem(api.get(f"/users/{ada}", api.owner()), 404, "not_found")
    assert is_problem(api.ask("DELETE", f"/users/{ada}", api.owner()), 404, "not_found")
    assert api.add(EMAIL) != ada, "the address is free again"
    api.services.personal_data.delete(api.services.users.named(EMAIL).id)


def test_everybody_may_have_and_delete_their_own_and_nobody_elses(api: Management, ada: str) -> None:
    token, other = api.token(ada), api.token(api.add("curious@example.com", "admin", "team_default"))
    for method, path in (("GET", f"/users/{ada}/export"), ("DELETE", f"/users/{ada}")):
        assert is_problem(api.ask(method, path, other), 403, "forbidden")
    assert api.get(f"/users/{ada}/export", token).json["profile"]["id"] == ada
    assert api.ask("DELETE", f"/users/{ada}", token).status_code == 204
    assert is_problem(api.get(f"/users/{ada}", api.owner()), 404, "not_found")


def test_the_last_owner_stays_and_an_admin_deletes_no_owner(api: Management) -> None:
    owner = api.services.users.named("admin@localhost").id
    assert is_problem(api.ask("DELETE", f"/users/{owner}", api.owner()), 409, "conflict")
    second = api.add("second-owner@example.com", "owner")
    admin = api.token(api.add("mere-admin@example.com", "admin"))
    assert is_problem(api.ask("DELETE", f"/users/{second}", admin), 403, "forbidden")
    assert api.login("second-owner@example.com", PASSWORD).status_code == 200
    assert api.ask("DELETE", f"/users/{second}", api.owner()).status_code == 204


def test_what_was_set_on_them_is_over_and_told(api: Management, ada: str) -> None:
    key = key_of(api, ada)
    services = api.services
    budgets = [services.budgets.set(scope, 10**9, "day").id for scope in (("user", ada), ("key", key.id))]
    limits = [services.limits.set(scope, {"rpm": 5}).id for scope in (("user", ada), ("key", key.id))]
    kept = services.budgets.set(("team", "team_default"), 10**9, "day").id
    assert api.ask("DELETE", f"/users/{ada}", api.owner()).status_code == 204
    assert [budget.id for budget in services.budgets.all() if budget.id in (*budgets, kept)] == [kept]
    assert not [limit.id for limit in services.limits.all() if limit.id in limits]
    assert services.budgets.get(budgets[0]).retired_at is not None
    for id, action in ((budgets[0], "budgets.retire"), (limits[1], "limits.remove")):
        (entry,) = api.get(f"/audit?action={action}&subject_id={id}", api.owner()).json["data"]
        assert entry["actor_email"] == "admin@localhost"
    services.budgets.retire(kept)
