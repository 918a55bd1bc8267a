"""`/api/schedules` of the kind `report`: made, sent to a real mail server and a real receiver, and what came of it."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.batches import NoQueue
from tests.gateway import CHAT, Gateway, settings_for
from tests.integration.api.management import PASSWORD, Management, is_problem
from tests.post_office import PostOffice
from tests.receiver import Receiver, receiving
from tollhouse.jobs import deliver_reports, start_scheduled
from tollhouse.store.records import ReportDeliveryRecord, ScheduleRecord

USAGE = {"report": "usage", "by": ["model", "day"], "period": "today"}
REPORT = {"name": "Usage", "kind": "report", "cron": "0 7 * * MON", "timezone": "Europe/Berlin"}


@pytest.fixture(scope="module")
def office() -> Iterator[PostOffice]:
    office = PostOffice()
    thread = threading.Thread(target=office.serve_forever, args=(0.05,))
    thread.start()
    yield office
    office.shutdown()
    office.server_close()
    thread.join()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, office: PostOffice) -> Iterator[Gateway]:
    settings = settings_for(
        tmp_path_factory.mktemp("api") / "home",
        admin_password=PASSWORD,
        smtp_url=f"smtp://127.0.0.1:{office.server_address[1]}",
        mail_from="gateway@example.com",
        report_private="on",
    )
    gateway = Gateway(settings)
    yield gateway
    gateway.close()


@pytest.fixture(scope="module")
def owner(api: Management) -> str:
    api.services.__dict__["queue"] = NoQueue()
    return api.owner()


@pytest.fixture
def team(api: Management, request: pytest.FixtureRequest) -> str:
    return api.services.teams.create(request.node.name[:80]).id


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def make_due(api: Management, id: str) -> None:
    with api.services.database.write() as session:
        at = api.services.database.now(session) - timedelta(seconds=1)
        session.execute(update(ScheduleRecord).where(ScheduleRecord.id == id).values(next_at=at))


def work_now(api: Management) -> None:
    """What a worker does when it is woken, and woken again for what is to be tried once more."""
    start_scheduled.run(api.services)
    with api.services.database.write() as session:
        queued = ReportDeliveryRecord.state == "queued"
        session.execute(update(ReportDeliveryRecord).where(queued).values(due_at=datetime.now(UTC)))
    deliver_reports.run(api.services)


def runs(api: Management, token: str, id: str) -> Any:
    return api.get(f"/schedules/{id}/runs", token).json["data"]


def test_a_report_is_mailed_and_posted_when_it_is_due(
    api: Management, owner: str, team: str, office: PostOffice, receiver: Receiver
) -> None:
    ada = api.add("ada-reports@example.com", "member", team)
    api.add("books-reports@example.com", "billing_viewer", team)
    token = api.token(ada)
    emails = ["Books-Reports@example.com", "ada-reports@example.com"]
    made = api.post("/schedules", {**REPORT, "work": {**USAGE, "emails": emails, "url": receiver.url}}, token)
    assert made.status_code == 201, made.json
    assert (made.json["kind"], made.json["key_id"], made.json["team_id"]) == ("report", ada, team)
    key = api.services.keys.create("reported", team_id=team).key
    body = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
    assert api.gateway.post(CHAT, body, key=key).status_code == 200
    api.gateway.rows(1)
    make_due(api, made.json["id"])
    assert api.services.schedule_runs.fire() == 1
    before = len(office.letters)
    for _ in range(2):
        work_now(api)
    (letter,) = office.letters[before:]
    assert "To: books-reports@example.com, ada-reports@example.com" in letter
    assert "Subject: Tollhouse report: usage by model, day, today (Europe/Berlin)" in letter
    assert "usage.csv" in letter
    (arrived,) = receiver.got
    assert [row["model"] for row in arrived.event["rows"]] == ["echo"]
    (run,) = runs(api, token, made.json["id"])
    assert (run["state"], run["status"], run["error"]) == ("started", "completed", None)
    job = api.get(f"/jobs/{run['work_id']}", token).json
    assert (job["kind"], job["status"], job["key_id"], job["is_open"]) == ("report", "completed", ada, False)
    assert api.get(f"/jobs?kind=report&team_id={team}", token).json["data"] == [job]


def test_a_delivery_that_fails_to_its_end_is_the_runs_error(
    api: Management, owner: str, team: str, receiver: Receiver
) -> None:
    token = api.token(api.add("failing-reports@example.com", "member", team))
    made = api.post("/schedules", {**REPORT, "work": {**USAGE, "url": receiver.url}}, token).json
    receiver.answer = lambda _: (500, {})
    assert api.post(f"/schedules/{made['id']}/runs", None, token).status_code == 202
    for attempts in (1, 2, 3, 4):
        work_now(api)
        assert len(receiver.got) == attempts
        (run,) = runs(api, token, made["id"])
        assert run["status"] == ("queued" if attempts < 4 else "failed")
        assert run["error"] == "The receiver answered with status 500."
    assert len({arrived.event["id"] for arrived in receiver.got}) == 1
    work_now(api)
    assert len(receiver.got) == 4


def test_a_right_that_was_lost_is_the_runs_error(api: Management, owner: str, team: str, receiver: Receiver) -> None:
    other = api.services.teams.create("of another report").id
    ada = api.add("leaving-reports@example.com", "member", team)
    assert api.ask("PUT", f"/teams/{other}/members/{ada}", owner, {"role": "viewer"}).status_code in (200, 204)
    work = {**USAGE, "team_id": other, "url": receiver.url}
    made = api.post("/schedules", {**REPORT, "work": work, "team_id": team}, api.token(ada)).json
    assert api.ask("DELETE", f"/teams/{other}/members/{ada}", owner).status_code == 204
    assert api.post(f"/schedules/{made['id']}/runs", None, owner).status_code == 202
    work_now(api)
    (run,) = runs(api, owner, made["id"])
    assert (run["status"], run["error"]) == ("failed", f"There is no team {other!r}.")
    assert receiver.got == []


@pytest.mark.parametrize(
    ("work", "status", "param"),
    [
        ({**USAGE, "report": "gossip"}, 400, "work.report"),
        ({"report": "usage", "url": "https://hooks.example.com"}, 400, "work.period"),
        ({**USAGE, "by": ["colour"], "url": "https://hooks.example.com"}, 400, "work.by"),
        (USAGE, 400, "work.emails"),
        ({**USAGE, "emails": ["nobody@example.com"]}, 400, "work.emails"),
        ({**USAGE, "url": "ftp://hooks.example.com"}, 400, "work.url"),
        ({**USAGE, "url": "https://hooks.example.com", "team_id": "team_none"}, 404, "work.team_id"),
        ({**USAGE, "url": "https://hooks.example.com", "timezone": "UTC"}, 400, "work.timezone"),
    ],
)
def test_what_is_wrong_with_a_report_is_named(
    api: Management, owner: str, work: dict[str, Any], status: int, param: str
) -> None:
    token = api.services.users.page(1, email="wrong-reports@example.com").items
    person = token[0].id if token else api.add("wrong-reports@example.com", "member", "team_default")
    refused = api.post("/schedules", {**REPORT, "name": "refused", "work": work}, api.token(person))
    assert (refused.status_code, refused.json["param"]) == (status, param), refused.json
    assert "refused" not in api.get("/schedules?limit=200", owner).get_data(as_text=True)


def test_an_address_inside_the_network_takes_a_setting_and_mail_a_server(tmp_path_factory: Any) -> None:
    gateway = Gateway(settings_for(tmp_path_factory.mktemp("bare") / "home", admin_password=PASSWORD))
    try:
        api = Management(gateway)
        token = api.owner()
        inside = api.post("/schedules", {**REPORT, "work": {**USAGE, "url": "http://127.0.0.1:9/x"}}, token)
        assert is_problem(inside, 400, "invalid_value")
        assert "TOLLHOUSE_REPORT_PRIVATE" in inside.json["detail"]
        unsent = api.post("/schedules", {**REPORT, "work": {**USAGE, "emails": ["admin@localhost"]}}, token)
        assert is_problem(unsent, 400, "invalid_value")
        assert "TOLLHOUSE_SMTP_URL" in unsent.json["detail"]
    finally:
        gateway.close()


def test_a_report_takes_the_rights_of_a_person_and_not_a_key(api: Management, owner: str) -> None:
    key = api.services.keys.create("no reports").id
    refused = api.post("/schedules", {**REPORT, "work": {**USAGE, "url": "https://h.example"}, "key_id": key}, owner)
    assert is_problem(refused, 400, "invalid_value")
    assert refused.json["param"] == "key_id"


def test_the_address_that_it_is_posted_to_is_for_those_who_see_webhooks(api: Management, owner: str, team: str) -> None:
    ada, bob = (api.add(f"{name}-hook@example.com", "member", team) for name in ("ada", "bob"))
    url = "https://hooks.example.com/services/s3cret?key=s3cret"
    path = "/schedules/" + api.post("/schedules", {**REPORT, "work": {**USAGE, "url": url}}, api.token(ada)).json["id"]
    for token, seen in ((owner, url), (api.token(ada), url), (api.token(bob), "https://hooks.example.com/…")):
        assert api.get(path, token).json["work"]["url"] == seen
    changed = api.ask("PATCH", path, api.token(ada), {"work": {**USAGE, "url": f"{url}2"}})
    assert changed.status_code == 200
    audit = api.get(f"/audit?subject_id={path[11:]}", owner).json["data"]
    assert "s3cret" not in str(audit)
    assert audit[0]["after"]["work"]["changed"] == ["url"]


def test_whoever_may_change_schedules_sends_nobody_what_they_may_not_read(
    api: Management, owner: str, team: str
) -> None:
    boss = api.add("boss-reports@example.com", "owner")
    made = api.post(
        "/schedules",
        {**REPORT, "work": {**USAGE, "team_id": team, "url": "https://h.example"}, "team_id": team},
        api.token(boss),
    ).json
    admin = api.token(api.add("admin-reports@example.com", "admin", team))
    wider = {"work": {**USAGE, "url": "https://mine.example"}}
    refused = api.ask("PATCH", f"/schedules/{made['id']}", admin, wider)
    assert is_problem(refused, 403, "forbidden")
    assert api.ask("PATCH", f"/schedules/{made['id']}", api.token(boss), wider).status_code == 200


def test_who_is_deleted_is_mailed_no_more_and_named_nowhere(api: Management, owner: str, team: str) -> None:
    ada = api.add("stays-reports@example.com", "member", team)
    bob = api.add("goes-reports@example.com", "member", team)
    token = api.token(ada)
    emails = ["stays-reports@example.com", "goes-reports@example.com"]
    made = api.post("/schedules", {**REPORT, "work": {**USAGE, "emails": emails}}, token).json
    api.post(f"/schedules/{made['id']}/runs", None, token)
    start_scheduled.run(api.services)
    assert api.ask("DELETE", f"/users/{bob}", owner).status_code == 204
    assert api.get(f"/schedules/{made['id']}", token).json["work"]["emails"] == emails[:1]
    with api.services.database.read() as session:
        waiting = session.scalars(select(ReportDeliveryRecord.work)).all()
    assert "goes-reports" not in str(waiting)
    assert "goes-reports" not in api.get(f"/audit?subject_id={made['id']}", owner).get_data(as_text=True)
