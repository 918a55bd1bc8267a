"""`tollhouse users`, `teams`, `keys` and `audit`: whoever has a shell is never locked out."""

import time

import pytest

from tollhouse.domain.errors import TollhouseError

PASSWORD = "a password for tests"
ADA = "ada@example.com"


def signs_in(tollhouse, email: str, password: str) -> bool:
    services = tollhouse.services()
    try:
        services.sign_in.sign_in(email, password, "192.0.2.1")
    except TollhouseError:
        return False
    finally:
        services.close()
    return True


def calls(tollhouse, key: str) -> str:
    services = tollhouse.services()
    try:
        return services.authentication.principal(key).team_id
    except TollhouseError as error:
        return error.code
    finally:
        services.close()


def test_a_made_up_password_is_printed_once_and_signs_in(tollhouse) -> None:
    made = tollhouse.json("users", "create", ADA, "--role", "admin")
    assert (made["email"], made["role"], made["teams"]) == (ADA, "admin", {})
    assert signs_in(tollhouse, ADA, made["password"])
    (listed,) = tollhouse.json("users", "list")
    assert "password" not in listed
    assert made["password"] not in tollhouse("users", "list").output


def test_a_password_may_come_from_standard_input(tollhouse) -> None:
    assert tollhouse.json("users", "create", ADA, "--password-stdin", given=f"{PASSWORD}\n")["password"] is None
    assert signs_in(tollhouse, ADA, PASSWORD)
    assert "12 to 1024" in tollhouse.error(
        "users", "create", "b@example.com", "--password-stdin", given="x\n", status=2
    )


def test_who_is_locked_out_gets_a_new_password_from_the_shell(tollhouse) -> None:
    old = tollhouse.json("users", "create", ADA, "--role", "owner")["password"]
    new = tollhouse.json("users", "reset-password", ADA)["password"]
    assert not signs_in(tollhouse, ADA, old)
    assert signs_in(tollhouse, ADA, new)


def test_the_last_owner_stays(tollhouse) -> None:
    tollhouse("users", "create", ADA, "--role", "owner")
    for arguments in (("users", "disable", ADA), ("users", "set-role", ADA, "member")):
        assert "no owner left" in tollhouse.error(*arguments)
    tollhouse("users", "create", "other@example.com", "--role", "owner")
    assert tollhouse.json("users", "disable", ADA)["disabled_at"]
    assert "no owner left" in tollhouse.error("users", "disable", "other@example.com")
    assert tollhouse.json("users", "enable", ADA)["disabled_at"] is None


def test_a_team_is_made_filled_and_archived_and_its_keys_end_with_it(tollhouse) -> None:
    team = tollhouse.json("teams", "create", "research")
    assert {one["name"] for one in tollhouse.json("teams", "list")} == {"default", "research"}
    tollhouse("users", "create", ADA)
    assert tollhouse.json("teams", "add", "research", ADA, "--role", "member")["role"] == "member"
    assert [one["email"] for one in tollhouse.json("teams", "members", team["id"])] == [ADA]
    key = tollhouse.json("keys", "create", "--name", "x", "--team", "research", "--user", ADA)
    assert key["team_id"] == team["id"]
    assert calls(tollhouse, key["key"]) == team["id"]
    assert tollhouse.json("teams", "archive", "research")["archived_at"]
    assert calls(tollhouse, key["key"]) == "revoked_api_key"
    assert "is archived" in tollhouse.error("keys", "create", "--name", "y", "--team", "research")
    assert tollhouse.json("teams", "archive", "research", "--undo")["archived_at"] is None
    assert calls(tollhouse, key["key"]) == team["id"]
    tollhouse("teams", "remove", "research", ADA)
    assert calls(tollhouse, key["key"]) == "revoked_api_key"


def test_a_key_ends_with_the_person_whose_it_is(tollhouse) -> None:
    tollhouse("users", "create", ADA, "--role", "member", "--team", "default")
    key = tollhouse.json("keys", "create", "--name", "x", "--user", ADA)["key"]
    assert calls(tollhouse, key) == "team_default"
    tollhouse("users", "disable", ADA)
    assert calls(tollhouse, key) == "revoked_api_key"


def test_a_key_is_for_somebody_in_its_team_alone(tollhouse) -> None:
    tollhouse("teams", "create", "research")
    tollhouse("users", "create", ADA, "--role", "member", "--team", "default")
    error = tollhouse.error("keys", "create", "--name", "x", "--team", "research", "--user", ADA, status=2)
    assert "in this team" in error


def test_the_old_key_is_good_for_the_overlap(tollhouse) -> None:
    old = tollhouse.json("keys", "create", "--name", "x")
    new = tollhouse.json("keys", "rotate", old["id"], "--overlap", "1h")
    assert new["previous_until"]
    assert [calls(tollhouse, key["key"]) for key in (old, new)] == ["team_default"] * 2
    third = tollhouse.json("keys", "rotate", old["id"])
    assert [calls(tollhouse, key["key"]) for key in (old, new, third)] == ["invalid_api_key"] * 2 + ["team_default"]
    tollhouse("keys", "rotate", old["id"], "--overlap", "31d", status=2)
    tollhouse("keys", "rotate", old["id"], "--overlap", "soon", status=2)


def test_the_overlap_ends_by_itself(tollhouse) -> None:
    old = tollhouse.json("keys", "create", "--name", "x")
    tollhouse("keys", "rotate", old["id"], "--overlap", "1s")
    services = tollhouse.services()
    try:
        assert services.authentication.principal(old["key"])
        time.sleep(1.1)
        with pytest.raises(TollhouseError, match="expired"):
            services.authentication.principal(old["key"])
    finally:
        services.close()


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [("--path", "v1/chat", "paths"), ("--network", "10.0.0.1/8", "networks"), ("--tag", "a b", "tags")],
)
def test_what_a_key_cannot_be_limited_to_is_named(tollhouse, option: str, value: str, named: str) -> None:
    assert tollhouse.error("keys", "create", "--name", "x", option, value, status=2).startswith(named)


def test_an_invitation_without_a_mail_server_is_printed(tollhouse) -> None:
    result = tollhouse("users", "invite", ADA, "--role", "member", "--team", "default")
    assert "is invited until" in result.stdout


def test_invitations_are_listed_and_withdrawn(tollhouse) -> None:
    first = tollhouse.json("users", "invite", ADA, "--role", "member", "--team", "default")
    last = tollhouse.json("users", "invite", "bob@example.com", "--role", "viewer")
    assert tollhouse.json("users", "invitations") == [first, last]
    assert (first["team_id"], first["invited_by"], last["team_id"]) == ("team_default", "shell", None)
    assert tollhouse.json("users", "invitations", "--team", "default") == [first]
    assert ADA in tollhouse("users", "invitations").stdout
    assert tollhouse.json("users", "uninvite", first["id"]) == {"id": first["id"], "withdrawn": True}
    assert tollhouse.json("users", "invitations") == [last]
    assert "There is no open invitation" in tollhouse.error("users", "uninvite", first["id"])


def test_what_was_done_in_the_shell_is_in_the_audit_log(tollhouse) -> None:
    key = tollhouse.json("keys", "create", "--name", "x")
    tollhouse("keys", "rotate", key["id"])
    tollhouse("keys", "revoke", key["id"])
    entries = tollhouse.json("audit", "--action", "keys")
    assert [entry["action"] for entry in entries] == ["keys.revoke", "keys.rotate", "keys.create"]
    assert {(entry["actor_kind"], entry["subject_id"]) for entry in entries} == {("shell", key["id"])}
    assert entries[-1]["after"]["name"] == "x"
    assert key["key"] not in tollhouse("audit", "--json").stdout
    assert tollhouse.json("audit", "--since", "2999-01-01") == []


def test_nobody_is_told_by_what_they_could_be_called(tollhouse) -> None:
    assert "users list" in tollhouse.error("users", "disable", "nobody@example.com")
    assert "teams list" in tollhouse.error("teams", "archive", "nothing")


def test_somebody_gets_all_that_is_known_of_them_and_is_forgotten(tollhouse) -> None:
    tollhouse("users", "create", "other@example.com", "--role", "owner")
    made = tollhouse.json("users", "create", ADA, "--role", "member", "--team", "default")
    key = tollhouse.json("keys", "create", "--name", "hers", "--user", made["id"])
    data = tollhouse.json("users", "export", ADA)
    assert data["profile"]["email"] == ADA
    assert [one["id"] for one in data["keys"]] == [key["id"]]
    assert tollhouse("users", "export", made["id"]).output.startswith("{")
    tollhouse("users", "delete", ADA, given="n\n", status=130)
    assert calls(tollhouse, key["key"]) == "team_default"
    assert tollhouse.json("users", "delete", ADA, "--yes") == {"id": made["id"]}
    assert calls(tollhouse, key["key"]) == "revoked_api_key"
    assert "nobody" in tollhouse.error("users", "export", ADA)
    actions = [entry["action"] for entry in tollhouse.json("audit") if entry["subject_id"] == made["id"]]
    assert actions[:3] == ["users.delete", "users.export", "users.export"]


def test_who_somebody_is_at_an_issuer_is_forgotten(tollhouse) -> None:
    tollhouse("users", "create", ADA)
    assert tollhouse.json("users", "unlink", ADA)["email"] == ADA
    assert tollhouse.json("audit")[0]["action"] == "users.unlink"
