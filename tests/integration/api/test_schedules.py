"""`/api/schedules`: what is begun by a timetable, as whom, and what came of it."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.batches import NoQueue, jsonl, keep, line
from tests.gateway import CHAT
from tests.integration.api.management import Management, is_problem
from tests.running import wait_until
from tollhouse.jobs import start_scheduled
from tollhouse.store.records import FileRecord, ScheduleRecord

WORK = {"model": "echo", "input": "Say hello."}
NEWS = {"name": "News", "kind": "prompt", "work": WORK, "cron": "30 6 * * MON-FRI", "timezone": "Europe/Berlin"}


@pytest.fixture(scope="module")
def owner(api: Management) -> str:
    api.services.__dict__["queue"] = NoQueue()
    return api.owner()


@pytest.fixture
def key(api: Management, request: pytest.FixtureRequest) -> Any:
    return api.services.keys.create(request.node.name[:100])


def make_due(api: Management, id: str) -> None:
    with api.services.database.write() as session:
        at = api.services.database.now(session) - timedelta(seconds=1)
        session.execute(update(ScheduleRecord).where(ScheduleRecord.id == id).values(next_at=at))


def runs(api: Management, owner: str, id: str) -> Any:
    return api.get(f"/schedules/{id}/runs", owner).json["data"]


def test_a_schedule_is_made_changed_paused_and_removed_and_each_is_told(api: Management, owner: str, key: Any) -> None:
    made = api.post("/schedules", {**NEWS, "key_id": key.id}, owner)
    assert made.status_code == 201, made.json
    assert made.json["next_at"].endswith(":30:00Z")
    assert (made.json["key_id"], made.json["team_id"], made.json["missed"]) == (key.id, key.team_id, "run")
    path = f"/schedules/{made.json['id']}"
    assert api.get(path, owner).json == made.json
    paused = api.ask("PATCH", path, owner, {"paused": True, "name": "Old"}, if_match=made.headers["etag"])
    assert (paused.json["paused"], paused.json["next_at"], paused.json["name"]) == (True, None, "Old")
    for method, body in (("PATCH", {"paused": False}), ("DELETE", None)):
        assert is_problem(api.ask(method, path, owner, body, if_match=made.headers["etag"]), 412, "changed_meanwhile")
    assert api.ask("DELETE", path, owner).status_code == 204
    assert is_problem(api.get(path, owner), 404, "not_found")
    entries = api.get(f"/audit?subject_id={made.json['id']}", owner).json["data"]
    assert [one["action"] for one in reversed(entries)] == [
        "schedules.create",
        "schedules.change",
        "schedules.remove",
    ]
    assert entries[1]["after"] == {"paused": True, "name": "Old"}


def test_a_prompt_is_a_stored_response_of_its_key_booked_once(api: Management, owner: str, key: Any) -> None:
    made = api.post("/schedules", {**NEWS, "key_id": key.id}, owner).json
    make_due(api, made["id"])
    assert api.services.schedule_runs.fire() == 1
    start_scheduled.run(api.services)
    start_scheduled.run(api.services)
    (run,) = runs(api, owner, made["id"])
    assert (run["state"], run["status"], run["error"]) == ("started", "queued", None)
    api.services.run_responses(0.1)
    assert runs(api, owner, made["id"])[0]["status"] == "completed"
    response = api.gateway.get(f"/v1/responses/{run['work_id']}", authorization=f"Bearer {key.key}").json
    assert response["output"][0]["content"][0]["text"] == "Say hello."
    assert [row.key_id for row in api.gateway.rows() if row.key_id == key.id] == [key.id]


def test_a_batch_submits_its_file_each_time_and_the_file_stays(api: Management, owner: str, key: Any) -> None:
    file_id = keep(api.gateway, jsonl([line("a", model="echo"), line("b", model="echo")]), key.key)
    batch = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h", "metadata": {"a": "b"}}
    made = api.post("/schedules", {**NEWS, "kind": "batch", "work": batch, "key_id": key.id}, owner).json
    with api.services.database.read() as session:
        assert session.scalar(select(FileRecord.expires_at).where(FileRecord.id == file_id)) is None
    for _ in range(2):
        make_due(api, made["id"])
        api.services.schedule_runs.fire()
        start_scheduled.run(api.services)

    def statuses() -> list[str]:
        api.services.run_batches(1)
        return [one["status"] for one in runs(api, owner, made["id"])]

    wait_until(lambda: statuses() == ["completed", "completed"], 60)
    done = runs(api, owner, made["id"])
    assert len({one["work_id"] for one in done}) == 2
    shown = api.gateway.get(f"/v1/batches/{done[0]['work_id']}", authorization=f"Bearer {key.key}").json
    assert (shown["metadata"], shown["request_counts"]["completed"]) == ({"a": "b"}, 2)


def test_a_worker_is_woken_for_a_run_when_that_is_there_to_be_found(
    api: Management, owner: str, key: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_scheduled.run(api.services)
    made = api.post("/schedules", {**NEWS, "key_id": key.id}, owner).json
    found: list[bool] = []

    class Worker(NoQueue):
        def enqueue(self, kind: str) -> bool:
            # As another process sees it.
            look = threading.Thread(target=lambda: found.append(api.services.schedule_runs.any_due()))
            look.start()
            look.join()
            return True

    monkeypatch.setitem(api.services.__dict__, "queue", Worker())
    for headers in ({}, {"idempotency_key": "run-it-once"}):
        assert api.post(f"/schedules/{made['id']}/runs", None, owner, **headers).status_code == 202
        assert found == [True]
        found.clear()
        start_scheduled.run(api.services)
        found.clear()


def test_a_budget_that_is_spent_holds_for_what_is_scheduled(api: Management, owner: str, key: Any) -> None:
    api.gateway.add_echo("priced-schedule", "")
    api.services.budgets.set(("key", key.id), 1, "month")
    api.services.serve().catalogue.refresh()
    work = {**WORK, "model": "priced-schedule"}
    made = api.post("/schedules", {**NEWS, "work": work, "key_id": key.id}, owner).json
    assert api.post(f"/schedules/{made['id']}/runs", None, owner).status_code == 202
    start_scheduled.run(api.services)
    api.services.run_responses(0.1)
    (run,) = runs(api, owner, made["id"])
    assert run["status"] == "failed"
    job = api.get(f"/jobs/{run['work_id']}", owner).json
    assert "budget" in job["error"]


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"work": {"model": "none", "input": "x"}}, 404, "work.model"),
        ({"work": {"model": "echo"}}, 400, None),
        ({"work": {**WORK, "stream": True}}, 400, "work.stream"),
        ({"work": {**WORK, "background": True}}, 400, "work.background"),
        ({"work": {**WORK, "store": False}}, 400, "work.store"),
        ({"kind": "batch", "work": {"input_file_id": "file-none"}}, 400, "work.endpoint"),
        (
            {"kind": "batch", "work": {"input_file_id": "file-1", "endpoint": CHAT, "completion_window": "24h"}},
            404,
            "work.input_file_id",
        ),
        ({"cron": "hourly"}, 400, "cron"),
        ({"timezone": "Nowhere"}, 400, "timezone"),
        ({"kind": "dream"}, 400, "kind"),
        ({"key_id": "key_none"}, 404, "key_id"),
        ({"other": 1}, 400, "other"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field_and_leaves_nothing(
    api: Management, owner: str, key: Any, changes: dict[str, Any], status: int, param: str | None
) -> None:
    refused = api.post("/schedules", {**NEWS, "name": "refused", "key_id": key.id, **changes}, owner)
    assert refused.status_code == status, refused.json
    if param:
        assert refused.json["param"] == param, refused.json
    assert "refused" not in api.get("/schedules?limit=200", owner).get_data(as_text=True)


def test_a_person_schedules_as_themself_and_not_as_a_key_of_others(api: Management, owner: str) -> None:
    team = api.services.teams.create("schedulers").id
    ada = api.add("ada-schedules@example.com", "member", team)
    token = api.token(ada)
    made = api.post("/schedules", NEWS, token)
    assert (made.status_code, made.json["key_id"], made.json["team_id"]) == (201, ada, team)
    teams_key = api.services.keys.create("of the team", team_id=team).id
    assert is_problem(api.post("/schedules", {**NEWS, "key_id": teams_key}, token), 403, "forbidden")
    theirs = api.post("/schedules", {**NEWS, "key_id": teams_key}, owner).json
    assert api.ask("PATCH", f"/schedules/{theirs['id']}", token, {"paused": True}).status_code == 200
    for change in ({"work": {**WORK, "input": "other"}}, {"cron": "* * * * *"}):
        assert is_problem(api.ask("PATCH", f"/schedules/{theirs['id']}", token, change), 403, "forbidden")
    api.services.schedule_runs.run_now(made.json["id"])
    start_scheduled.run(api.services)
    assert runs(api, token, made.json["id"])[0]["state"] == "started"


def test_a_person_takes_their_schedules_with_them(api: Management, owner: str, key: Any) -> None:
    team = api.services.teams.create("leaving").id
    eve = api.add("eve-schedules@example.com", "member", team)
    made = api.post("/schedules", NEWS, api.token(eve)).json
    stays = api.post("/schedules", {**NEWS, "key_id": key.id}, owner).json
    told = api.get(f"/users/{eve}/export", owner).json["schedules"]
    assert [(one["id"], one["work"]) for one in told] == [(made["id"], WORK)]
    assert api.ask("DELETE", f"/users/{eve}", owner).status_code == 204
    assert is_problem(api.get(f"/schedules/{made['id']}", owner), 404, "not_found")
    assert api.get(f"/schedules/{stays['id']}", owner).status_code == 200


def test_a_create_that_is_repeated_makes_one(api: Management, owner: str, key: Any) -> None:
    asked = {**NEWS, "name": "repeated", "key_id": key.id}
    first, again = (api.post("/schedules", asked, owner, idempotency_key="sch") for _ in range(2))
    assert first.json == again.json
    assert api.get("/schedules?limit=200", owner).get_data(as_text=True).count("repeated") == 1


def test_nobody_begins_what_would_be_spent_as_a_key_that_is_not_theirs(api: Management, owner: str, key: Any) -> None:
    ada, bob = (api.add(f"{name}-begins@example.com", "member", "team_default") for name in ("ada", "bob"))
    tokens = {person: api.token(person) for person in (ada, bob)}
    of_team = api.post("/schedules", {**NEWS, "key_id": key.id}, owner).json["id"]
    of_ada = api.post("/schedules", NEWS, tokens[ada]).json["id"]
    for schedule, person, status in ((of_team, bob, 403), (of_ada, bob, 403), (of_ada, ada, 202)):
        assert api.post(f"/schedules/{schedule}/runs", None, tokens[person]).status_code == status
    assert runs(api, owner, of_team) == []
    for paused, person, status in ((True, bob, 200), (False, bob, 403), (False, ada, 200)):
        answer = api.ask("PATCH", f"/schedules/{of_ada}", tokens[person], {"paused": paused})
        assert answer.status_code == status
    (entry,) = api.get(f"/audit?action=schedules.run&subject_id={of_ada}", owner).json["data"]
    assert entry["actor_id"] == ada
