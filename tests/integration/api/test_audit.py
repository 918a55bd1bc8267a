"""The audit log: who, when, from where, before and after, and no secret."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.integration.api.management import EMAIL, PASSWORD, Management, is_problem
from tests.ledgers import MINT
from tollhouse.domain.actor import SHELL
from tollhouse.services.keys.keys import Keys
from tollhouse.store.database import Database


def test_a_change_tells_who_when_from_where_and_what_differs(api: Management) -> None:
    owner = api.owner()
    key = api.post("/keys", {"name": "old", "tags": ["t"]}, owner).json
    api.ask("PATCH", f"/keys/{key['id']}", owner, {"name": "new"})
    api.ask("PATCH", f"/keys/{key['id']}", owner, {"name": "new"})
    changed, made = api.get(f"/audit?subject_id={key['id']}", owner).json["data"]
    assert (changed["action"], changed["before"], changed["after"]) == ("keys.change", {"name": "old"}, {"name": "new"})
    assert (made["action"], made["before"], made["after"]["tags"]) == ("keys.create", None, ["t"])
    assert (changed["actor_kind"], changed["actor_email"], changed["address"]) == ("person", EMAIL, "127.0.0.1")
    assert changed["at"] >= made["at"]
    assert changed["team_id"] == "team_default"


def test_what_is_in_it_can_be_filtered_by_who_what_and_when(api: Management) -> None:
    owner = api.owner()
    team = api.services.teams.create("audited").id
    ada = api.add("auditor@example.com", "owner", team)
    token = api.token(ada)
    key = api.post("/keys", {"name": "mine", "team_id": team}, token).json["id"]
    for query in (f"actor_id={ada}&action=keys", f"team_id={team}&action=keys.create", f"subject_id={key}"):
        (entry,) = api.get(f"/audit?{query}", owner).json["data"]
        assert (entry["action"], entry["actor_id"]) == ("keys.create", ada)
    assert api.get("/audit?action=key", owner).json["data"] == []
    assert api.get("/audit?since=2999-01-01T00:00:00Z", owner).json["data"] == []
    assert api.get("/audit?until=2001-01-01", owner).json["data"] == []
    assert is_problem(api.get("/audit?since=yesterday", owner), 400, "invalid_value")
    first = api.get("/audit?limit=1", owner).json
    second = api.get(f"/audit?limit=1&after={first['next']}", owner).json
    assert second["data"][0]["id"] < first["data"][0]["id"]


def test_no_secret_is_in_it(api: Management) -> None:
    owner = api.owner()
    key = api.post("/keys", {"name": "secret"}, owner).json
    new = api.post(f"/keys/{key['id']}/rotate", {}, owner).json
    ada = api.add("quiet@example.com")
    api.post("/auth/password", {"password": PASSWORD, "new_password": "another, longer password"}, api.token(ada))
    told = api.get("/audit?limit=200", owner).get_data(as_text=True)
    for secret in (key["key"], new["key"], PASSWORD, "another, longer", "argon2", "quiet@example.com"):
        assert secret not in told.replace('"actor_email":"quiet@example.com"', "")


@pytest.mark.parametrize("statement", ["DELETE FROM audit_entries", "UPDATE audit_entries SET actor_id = 'x'"])
def test_the_database_keeps_it_as_it_is(database: Database, statement: str) -> None:
    Keys(database, MINT).create("tests", by=SHELL)
    with pytest.raises(DBAPIError, match="stay as they are"), database.write() as session:
        session.execute(text(statement))
