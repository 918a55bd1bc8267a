"""`/api/webhooks`: with all habits of the management API."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.integration.api.management import Management, is_problem
from tollhouse.domain.webhooks import EVENT_TYPES
from tollhouse.services.outbox import FAILED
from tollhouse.services.webhooks import webhooks as module
from tollhouse.store.records import AuditEntryRecord, WebhookDeliveryRecord, WebhookRecord, WebhookSecretRecord

URL = "https://hooks.example.com/path?token=x"
GOOD = {"name": "results", "url": URL, "event_types": ["batch.completed"]}


@pytest.fixture(scope="module")
def owner(api: Management) -> str:
    return api.owner()


def make(api: Management, owner: str, **fields: Any) -> Any:
    answer = api.post("/webhooks", {**GOOD, **fields}, owner)
    assert answer.status_code == 201, answer.get_data()
    return answer.json


def rows(api: Management) -> list[Any]:
    tables = (WebhookRecord, WebhookSecretRecord, WebhookDeliveryRecord, AuditEntryRecord)
    with api.services.database.read() as session:
        return [sorted(map(repr, session.execute(select(*table.__table__.columns)))) for table in tables]


def actions(api: Management, id: str) -> list[str]:
    row = AuditEntryRecord
    with api.services.database.read() as session:
        return list(session.scalars(select(row.action).where(row.subject_id == id).order_by(row.id)))


def test_one_is_made_and_its_secret_is_shown_once_and_kept_sealed(api: Management, owner: str) -> None:
    made = make(api, owner)
    secret = made.pop("signing_secret")
    assert secret.startswith("whsec_")
    assert made["secrets"] == [{"hint": secret[-4:], "ends_at": None}]
    assert (made["team_id"], made["enabled"], made["failures"]) == ("team_default", True, 0)
    assert api.get(f"/webhooks/{made['id']}", owner).json == made
    assert made in api.get("/webhooks?limit=200", owner).json["data"]
    assert secret not in api.get(f"/audit?subject_id={made['id']}", owner).get_data(as_text=True)
    with api.services.database.read() as session:
        row = WebhookSecretRecord
        (sealed,) = session.scalars(select(row.sealed).where(row.webhook_id == made["id"]))
    assert secret not in sealed
    assert actions(api, made["id"]) == ["webhooks.create"]


def test_the_audit_log_has_no_path_of_an_address(api: Management, owner: str) -> None:
    made = make(api, owner)
    api.ask("PATCH", f"/webhooks/{made['id']}", owner, {"url": f"{URL}&more=1"})
    log = api.get(f"/audit?subject_id={made['id']}", owner).get_data(as_text=True)
    assert "hooks.example.com" in log
    assert "token" not in log
    assert actions(api, made["id"]) == ["webhooks.create", "webhooks.change"]


def test_the_organisations_is_for_those_who_rule_it(api: Management, owner: str) -> None:
    made = make(api, owner, team_id=None, event_types=["provider.down", "*"])
    assert made["team_id"] is None
    team = api.services.teams.create("no rulers").id
    member = api.token(api.add("hooks-of-a-team@example.com", "owner", team))
    assert is_problem(api.get(f"/webhooks/{made['id']}", member), 404, "not_found")
    assert is_problem(api.post("/webhooks", {**GOOD, "team_id": None}, member), 404, "not_found")
    theirs = make(api, member, team_id=team)
    assert [one["id"] for one in api.get("/webhooks", member).json["data"]] == [theirs["id"]]
    assert [one["id"] for one in api.get(f"/webhooks?team_id={team}", owner).json["data"]] == [theirs["id"]]


def test_it_is_changed_disabled_and_enabled(api: Management, owner: str) -> None:
    made = make(api, owner)
    path = f"/webhooks/{made['id']}"
    changed = api.ask("PATCH", path, owner, {"name": "other", "event_types": ["*", "*"], "enabled": False}).json
    assert (changed["name"], changed["event_types"]) == ("other", ["*"])
    assert (changed["enabled"], changed["disabled_for"]) == (False, "by_hand")
    assert is_problem(api.post(f"{path}/test", {}, owner), 409, "conflict")
    again = api.ask("PATCH", path, owner, {"enabled": True}).json
    assert (again["enabled"], again["disabled_for"], again["disabled_at"]) == (True, None, None)


def test_who_comes_late_is_told(api: Management, owner: str) -> None:
    first = api.post("/webhooks", GOOD, owner)
    path, tag = f"/webhooks/{first.json['id']}", first.headers["etag"]
    assert api.get(path, owner).headers["etag"] == tag
    assert api.get(path, owner, if_none_match=tag).status_code == 304
    changed = api.ask("PATCH", path, owner, {"name": "new"}, if_match=tag)
    assert changed.status_code == 200
    for method, more, body in (("PATCH", "", {"name": "x"}), ("DELETE", "", None), ("POST", "/rotate", {})):
        assert is_problem(api.ask(method, path + more, owner, body, if_match=tag), 412, "changed_meanwhile")
    with api.services.database.write() as session:
        session.get_one(WebhookRecord, first.json["id"]).failures = 3
    assert api.get(path, owner).headers["etag"] == changed.headers["etag"], "that changed by itself"


def test_a_secret_is_rotated_with_an_overlap(api: Management, owner: str) -> None:
    made = make(api, owner)
    path = f"/webhooks/{made['id']}/rotate"
    rotated = api.post(path, {"overlap_seconds": 3600}, owner, idempotency_key="rotate a hook")
    assert rotated.json["signing_secret"] != made["signing_secret"]
    hints = [one["hint"] for one in rotated.json["secrets"]]
    assert hints == [rotated.json["signing_secret"][-4:], made["signing_secret"][-4:]]
    assert rotated.json["secrets"][1]["ends_at"] is not None
    again = api.post(path, {"overlap_seconds": 3600}, owner, idempotency_key="rotate a hook")
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json == rotated.json
    for _ in range(module.MOST_SECRETS - 2):
        assert api.post(path, {"overlap_seconds": 60}, owner).status_code == 200
    assert is_problem(api.post(path, {"overlap_seconds": 60}, owner), 409, "conflict")
    alone = api.post(path, {}, owner).json
    assert [one["hint"] for one in alone["secrets"]] == [alone["signing_secret"][-4:]]


def test_a_test_is_a_delivery_to_look_at_and_to_make_again(api: Management, owner: str) -> None:
    made = make(api, owner)
    path = f"/webhooks/{made['id']}"
    ping = api.post(f"{path}/test", {}, owner, idempotency_key="ping once")
    assert ping.status_code == 202
    assert (ping.json["event_type"], ping.json["state"]) == ("webhook.test", "waiting")
    assert api.post(f"{path}/test", {}, owner, idempotency_key="ping once").json["id"] == ping.json["id"]
    sample = api.post(f"{path}/test", {"event_type": "response.failed"}, owner).json
    assert sample["payload"]["data"] == {"id": "resp_test"}
    listed = api.get(f"{path}/deliveries", owner).json
    assert [one["id"] for one in listed["data"]] == [sample["id"], ping.json["id"]]
    first = api.get(f"{path}/deliveries?limit=1", owner).json
    rest = api.get(f"{path}/deliveries?after={first['next']}", owner).json
    assert [one["id"] for one in first["data"] + rest["data"]] == [sample["id"], ping.json["id"]]
    of_type = api.get(f"{path}/deliveries?event_type=webhook.test&state=waiting", owner).json["data"]
    assert [one["id"] for one in of_type] == [ping.json["id"]]
    assert api.get(f"{path}/deliveries?state=delivered", owner).json["data"] == []
    assert api.get(f"{path}/deliveries/{ping.json['id']}", owner).json == of_type[0]
    again = api.post(f"{path}/deliveries/{ping.json['id']}/redeliver", None, owner)
    assert (again.status_code, again.json["event_id"]) == (202, ping.json["event_id"])
    assert actions(api, made["id"])[1:] == ["webhooks.test", "webhooks.test", "webhooks.redeliver"]


def test_what_failed_is_made_again_all_at_once(api: Management, owner: str) -> None:
    path = f"/webhooks/{make(api, owner)['id']}"
    for _ in range(4):
        api.post(f"{path}/test", {}, owner)
    ids = [one["id"] for one in api.get(f"{path}/deliveries", owner).json["data"]]
    with api.services.database.write() as session:
        row = WebhookDeliveryRecord
        long_ago = datetime(2026, 1, 2, tzinfo=UTC)
        session.execute(update(row).where(row.id.in_(ids[:3])).values(state=FAILED, failures=8, ended_at=long_ago))
        session.execute(update(row).where(row.id == ids[0]).values(created_at=long_ago))

    def redeliver(since: str, **more: str) -> Any:
        answer = api.post(f"{path}/redeliver", {"since": since, **more}, owner)
        assert answer.status_code == 202, answer.get_data()
        return answer.json["deliveries"]

    assert redeliver("2026-01-01T00:00:00Z", until="2026-01-02T00:00:00Z") == 0
    assert redeliver("2026-01-03T00:00:00Z") == 2
    assert redeliver("2026-01-03T00:00:00Z") == 0
    assert redeliver("2026-01-02T01:00:00+01:00") == 1
    listed = api.get(f"{path}/deliveries", owner).json["data"]
    assert {(one["state"], one["ended_at"]) for one in listed} == {("waiting", None)}
    for body, param in (({}, "since"), ({"since": "yesterday"}, "since"), ({"since": "2026-01-01", "to": "x"}, "to")):
        answer = api.post(f"{path}/redeliver", body, owner)
        assert is_problem(answer, 400, "invalid_value")
        assert answer.json["param"] == param
    api.ask("PATCH", path, owner, {"enabled": False})
    assert is_problem(api.post(f"{path}/redeliver", {"since": "2026-01-01"}, owner), 409, "conflict")


def test_a_delivery_is_found_under_its_own_webhook_alone(api: Management, owner: str) -> None:
    one, other = make(api, owner), make(api, owner)
    delivery = api.post(f"/webhooks/{one['id']}/test", {}, owner).json
    for path in (f"/webhooks/{other['id']}/deliveries/{delivery['id']}", f"/webhooks/{one['id']}/deliveries/dlv_none"):
        assert is_problem(api.get(path, owner), 404, "not_found")
        assert is_problem(api.post(f"{path}/redeliver", None, owner), 404, "not_found")


def test_one_that_is_removed_leaves_nothing(api: Management, owner: str) -> None:
    made = make(api, owner)
    api.post(f"/webhooks/{made['id']}/test", {}, owner)
    assert api.ask("DELETE", f"/webhooks/{made['id']}", owner).status_code == 204
    assert is_problem(api.get(f"/webhooks/{made['id']}", owner), 404, "not_found")
    assert is_problem(api.get(f"/webhooks/{made['id']}/deliveries", owner), 404, "not_found")
    api.services.webhook_deliveries.expire()
    with api.services.database.read() as session:
        for table in (WebhookSecretRecord, WebhookDeliveryRecord):
            assert session.scalars(select(table).where(table.webhook_id == made["id"])).all() == []


def test_there_may_be_so_many(api: Management, owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    team = api.services.teams.create("with many hooks").id
    monkeypatch.setattr(module, "MOST_WEBHOOKS", 2)
    for _ in range(2):
        make(api, owner, team_id=team)
    assert is_problem(api.post("/webhooks", {**GOOD, "team_id": team}, owner), 409, "conflict")


LONG = "x" * 3000
GONE = object()
BAD: list[tuple[str, Any]] = [
    *(("name", bad) for bad in (GONE, None, 5, "", " ", LONG, "a\0b", "a\nb", "a\u202eb")),
    *(("url", bad) for bad in (GONE, None, 5, "", "x", "ftp://a.b", "https://", "https://u:p@a.b/x", "//a.b/x")),
    *(
        ("url", bad)
        for bad in ("https://a.b/x#y", "https://a b.c", "http://[::1", f"https://a.b/{LONG}", "https://a.b/\n")
    ),
    *(("url", bad) for bad in ("https://a.b/?x=\r\ny: z", "https://a.b/ключ", "https://a.b:99999/", "https://a.b:0/")),
    *(("url", f"http://{host}/x") for host in ("127.0.0.1", "10.1.2.3", "169.254.169.254", "localhost", "[::1]")),
    *(("url", f"http://{host}/x") for host in ("0x7f000001", "127.1", "[::ffff:10.0.0.1]", "192.168.0.1:80")),
    *(("event_types", bad) for bad in (GONE, None, [], "*", ["nothing"], ["batch.*"], [5], [""], ["*"] * 51)),
    ("event_types", ["provider.down"]),
    ("signing_secret", "whsec_x"),
    ("enabled", False),
]


@pytest.mark.parametrize(("field", "bad"), BAD)
def test_a_field_that_is_wrong_is_named_and_nothing_is_written(
    api: Management, owner: str, field: str, bad: Any
) -> None:
    body = {**GOOD, field: bad}
    if bad is GONE:
        del body[field]
    before = rows(api)
    answer = api.post("/webhooks", body, owner)
    assert is_problem(answer, 400, "invalid_value")
    assert answer.json["param"].partition("[")[0] == field, answer.json
    assert "u:p@" not in answer.json["detail"]
    assert rows(api) == before


def test_so_it_is_in_a_change_and_in_all_else(api: Management, owner: str) -> None:
    path = f"/webhooks/{make(api, owner)['id']}"
    before = rows(api)
    for field, bad in BAD:
        if bad is not GONE and field != "enabled":
            answer = api.ask("PATCH", path, owner, {field: bad})
            assert is_problem(answer, 400, "invalid_value"), (field, bad)
            assert answer.json["param"].partition("[")[0] == field
    for more, body, param in (
        ("/rotate", {"overlap_seconds": -1}, "overlap_seconds"),
        ("/rotate", {"overlap_seconds": 2592001}, "overlap_seconds"),
        ("/test", {"event_type": "nothing"}, "event_type"),
        ("/test", {"event_type": "provider.down"}, "event_type"),
    ):
        answer = api.post(path + more, body, owner)
        assert is_problem(answer, 400, "invalid_value")
        assert answer.json["param"] == param
    for query, param in (("state=lost", "state"), ("limit=0", "limit"), ("after=%00", "after"), ("x=1", "x")):
        assert api.get(f"{path}/deliveries?{query}", owner).json["param"] == param
    assert is_problem(api.ask("PATCH", path, owner, {}), 400, "invalid_value")
    assert is_problem(api.post("/webhooks", {**GOOD, "team_id": "team_none"}, owner), 404, "not_found")
    assert rows(api) == before


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_each_event_may_be_heard_by_the_organisation(api: Management, owner: str, kind: str) -> None:
    organisations = api.services.webhooks.create("all", URL, [kind], team_id=None)
    assert api.post(f"/webhooks/{organisations.id}/test", {"event_type": kind}, owner).status_code == 202
    api.services.webhooks.remove(organisations.id)
