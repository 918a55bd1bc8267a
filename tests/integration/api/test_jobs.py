"""`/api/jobs`: what runs in the background, of all kinds, in one list."""

from typing import Any

import pytest
from sqlalchemy import update

from tests.batches import NoQueue, jsonl, keep, line
from tests.gateway import CHAT, MESSAGES
from tests.integration.api.management import Management, is_problem
from tests.running import wait_until
from tollhouse.store.records import BatchRecord

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def owner(api: Management) -> str:
    api.services.__dict__["queue"] = NoQueue()
    return api.owner()


@pytest.fixture
def team(api: Management, request: pytest.FixtureRequest) -> str:
    return api.services.teams.create(request.node.name[:100]).id


@pytest.fixture
def key(api: Management, team: str) -> Any:
    return api.services.keys.create("worker", team_id=team)


def begin(api: Management, key: Any) -> dict[str, str]:
    """One of each kind, by kind, oldest first."""
    file_id = keep(api.gateway, jsonl([line("a", model="echo")]), key.key)
    batch = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h"}
    message = {"custom_id": "one", "params": {"model": "echo", "max_tokens": 5, "messages": HELLO}}
    asked = {
        "batch": ("/v1/batches", batch),
        "message_batch": ("/v1/messages/batches", {"requests": [message]}),
        "response": ("/v1/responses", {"model": "echo", "input": "hello", "background": True}),
    }
    made = {kind: api.gateway.post(path, body, key=key.key).json["id"] for kind, (path, body) in asked.items()}
    schedule = api.services.schedules.create(
        "one", "prompt", {"model": "echo", "input": "x"}, "0 0 1 1 *", key_id=key.id
    )
    return {**made, "schedule_run": api.services.schedule_runs.run_now(schedule.id).id}


def work_off(api: Management) -> None:
    """All batches that there are, to their end."""
    wait_until(lambda: not api.services.run_batches(1) and not api.services.batches.any_open(), 60)


def listed(api: Management, token: str, query: str) -> list[dict[str, Any]]:
    answer = api.get(f"/jobs?{query}", token)
    assert answer.status_code == 200, answer.json
    found: list[dict[str, Any]] = answer.json["data"]
    return found


def test_all_kinds_are_in_one_list_and_can_be_picked_out(api: Management, owner: str, team: str, key: Any) -> None:
    made = begin(api, key)
    jobs = {job["kind"]: job for job in listed(api, owner, f"team_id={team}")}
    assert {kind: job["id"] for kind, job in jobs.items()} == made
    assert {job["key_id"] for job in jobs.values()} == {key.id}
    assert all(job["is_open"] and job["may_cancel"] and job["ended_at"] is None for job in jobs.values())
    for kind, id in made.items():
        assert [job["id"] for job in listed(api, owner, f"team_id={team}&kind={kind}")] == [id]
        assert api.get(f"/jobs/{id}", owner).json == jobs[kind]
    assert len(listed(api, owner, f"team_id={team}&state=open")) == 4
    api.services.schedule_runs.start()
    work_off(api)
    api.services.run_responses(0.1)
    ended = {job["id"]: job for job in listed(api, owner, f"team_id={team}&state=ended")}
    assert ended.keys() > set(made.values())
    assert all(job["ended_at"] and not job["may_cancel"] and not job["is_open"] for job in ended.values())
    assert ended[made["batch"]]["progress"] == {"total": 1, "completed": 1, "failed": 0}
    assert (ended[made["response"]]["status"], ended[made["schedule_run"]]["status"]) == ("completed", "started")
    assert listed(api, owner, f"team_id={team}&state=open") == []


def test_the_list_is_read_page_by_page_through_all_kinds(api: Management, owner: str, team: str, key: Any) -> None:
    ids = [id for _ in range(3) for id in begin(api, key).values()]
    seen: list[str] = []
    after = ""
    while after is not None:
        page = api.get(f"/jobs?team_id={team}&limit=5{after and f'&after={after}'}", owner).json
        seen += [job["id"] for job in page["data"]]
        after = page["next"]
    assert len(seen) == 12
    assert seen == sorted(ids, key=lambda id: id.rpartition("_")[2], reverse=True)


@pytest.mark.parametrize("kind", ["batch", "message_batch", "response", "schedule_run"])
def test_what_has_not_ended_is_cancelled_once_and_that_is_noted(
    api: Management, owner: str, key: Any, kind: str
) -> None:
    id = begin(api, key)[kind]
    cancelled = api.post(f"/jobs/{id}/cancel", None, owner)
    assert cancelled.status_code == 200, cancelled.json
    assert cancelled.json["may_cancel"] is False
    assert is_problem(api.post(f"/jobs/{id}/cancel", None, owner), 409, "conflict")
    assert [one["action"] for one in api.get(f"/audit?subject_id={id}", owner).json["data"]] == ["jobs.cancel"]
    api.services.schedule_runs.start()
    work_off(api)
    api.services.run_responses(0.1)
    ended = api.get(f"/jobs/{id}", owner).json
    assert ended["is_open"] is False
    assert ended["status"] == ("skipped" if kind == "schedule_run" else "cancelled")
    if kind == "response":
        shown = api.gateway.get(f"/v1/responses/{id}", authorization=f"Bearer {key.key}").json
        assert shown["status"] == "cancelled"


@pytest.mark.parametrize(("handover", "woken"), [(None, "run_batch"), ("back", "run_batch"), ("out", "hand_over")])
def test_a_batch_that_is_cancelled_wakes_a_worker_at_once(
    api: Management, owner: str, key: Any, handover: str | None, woken: str
) -> None:
    made = begin(api, key)
    queue = api.services.__dict__["queue"]
    for kind, path in (("batch", "/v1/batches/{}/cancel"), ("message_batch", None)):
        id = made[kind]
        with api.services.database.write() as session:
            session.execute(update(BatchRecord).where(BatchRecord.id == id).values(handover=handover))
        queue.woken.clear()
        if path is None:
            assert api.post(f"/jobs/{id}/cancel", None, owner).status_code == 200
        else:
            assert api.gateway.post(path.format(id), {}, key=key.key).status_code == 200
        assert queue.woken == [woken]


def test_why_a_job_failed_is_told(api: Management, owner: str, key: Any) -> None:
    api.gateway.add_echo("failing-job", "status=400")
    asked = {"model": "failing-job", "input": "x", "background": True}
    response = api.gateway.post("/v1/responses", asked, key=key.key).json["id"]
    file_id = keep(api.gateway, b"nonsense\n", key.key)
    body = {"input_file_id": file_id, "endpoint": CHAT, "completion_window": "24h"}
    batch = api.gateway.post("/v1/batches", body, key=key.key).json["id"]
    api.services.run_responses(0.1)
    work_off(api)
    for id in (response, batch):
        job = api.get(f"/jobs/{id}", owner).json
        assert job["status"] == "failed"
        assert job["error"]


def test_jobs_of_another_team_are_not_there(api: Management, owner: str, team: str, key: Any) -> None:
    made = begin(api, key)
    token = api.token(api.add("jobs-of-others@example.com", "owner", api.services.teams.create("apart").id))
    assert listed(api, token, "limit=200") == []
    assert is_problem(api.get(f"/jobs?team_id={team}", token), 404, "not_found")
    for id in made.values():
        assert is_problem(api.get(f"/jobs/{id}", token), 404, "not_found")
        assert is_problem(api.post(f"/jobs/{id}/cancel", None, token), 404, "not_found")
        assert api.get(f"/jobs/{id}", owner).json["is_open"]


@pytest.mark.parametrize("id", ["batch_none", "resp_none", "run_none", "msgbatch_none", "req_1", "x"])
def test_what_is_no_job_is_not_there(api: Management, owner: str, id: str) -> None:
    assert is_problem(api.get(f"/jobs/{id}", owner), 404, "not_found")


def test_a_plain_response_is_no_job(api: Management, owner: str, key: Any) -> None:
    stored = api.gateway.post("/v1/responses", {"model": "echo", "input": "x"}, key=key.key).json["id"]
    assert is_problem(api.get(f"/jobs/{stored}", owner), 404, "not_found")
    assert api.gateway.post(MESSAGES, {"model": "echo", "max_tokens": 5, "messages": HELLO}).status_code == 200
