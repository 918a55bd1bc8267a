"""`tollhouse schedules` and `tollhouse jobs`."""

import json
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Tollhouse

DAILY = ("--cron", "0 6 * * *")


@pytest.fixture
def key(tollhouse: Tollhouse) -> str:
    tollhouse("providers", "add", "echo", "--format", "echo", "--base-url", "echo:")
    tollhouse("models", "add", "echo", "--provider", "echo")
    return str(tollhouse.json("keys", "create", "--name", "worker")["id"])


def test_a_schedule_is_added_paused_resumed_run_and_removed(tollhouse: Tollhouse, key: str) -> None:
    assert "No schedules yet" in tollhouse("schedules", "list").stdout
    prompt = ("--key", key, "--prompt", "Say hello.", "--model", "echo", "--timezone", "Europe/Berlin")
    made = tollhouse.json("schedules", "add", "news", *DAILY, *prompt)
    assert (made["kind"], made["work"]) == ("prompt", {"model": "echo", "input": "Say hello."})
    id = made["id"]
    assert tollhouse.json("schedules", "list") == [made]
    assert "0 6 * * *" in tollhouse("schedules", "list").stdout
    assert tollhouse.json("schedules", "pause", id)["next_at"] is None
    assert "paused" in tollhouse("schedules", "list").stdout
    assert tollhouse("schedules", "pause", id).stdout == f"The schedule {id} is paused.\n"
    assert tollhouse.json("schedules", "resume", id)["next_at"] == made["next_at"]
    run = tollhouse.json("schedules", "run", id)
    assert run["state"] == "due"
    assert tollhouse.json("schedules", "runs", id) == [run]
    (job,) = tollhouse.json("jobs", "list", "--kind", "schedule_run", "--state", "open")
    assert job["id"] == run["id"]
    assert tollhouse.json("jobs", "show", run["id"]) == job
    assert "schedule_run" in tollhouse("jobs", "show", run["id"]).stdout
    assert tollhouse.json("jobs", "cancel", run["id"])["status"] == "skipped"
    assert "nothing left to cancel" in tollhouse.error("jobs", "cancel", run["id"])
    assert "skipped" in tollhouse("schedules", "runs", id).stdout
    assert tollhouse.json("schedules", "remove", id) == {"id": id, "removed": True}
    assert "There is no schedule" in tollhouse.error("schedules", "runs", id)


def test_a_body_comes_from_the_command_or_a_file(tollhouse: Tollhouse, key: str, tmp_path: Path) -> None:
    body = {"model": "echo", "input": [{"role": "user", "content": "x"}], "max_output_tokens": 20}
    (tmp_path / "body.json").write_text(json.dumps(body))
    for given in (json.dumps(body), f"@{tmp_path / 'body.json'}"):
        assert tollhouse.json("schedules", "add", "body", *DAILY, "--key", key, "--body", given)["work"] == body
    for wrong, words in (("{", "not JSON"), ("[]", "no"), ("@nowhere", "cannot be read")):
        refused = tollhouse("schedules", "add", "b", *DAILY, "--key", key, "--body", wrong, status=2)
        assert words in refused.stderr
    assert tollhouse("schedules", "add", "b", *DAILY, "--key", key, status=2).stdout == ""
    assert "does not exist" in tollhouse.error(
        "schedules", "add", "b", *DAILY, "--key", key, "--prompt", "x", "--model", "none"
    )


def test_a_report_is_scheduled_for_a_person(tollhouse: Tollhouse, key: str) -> None:
    boss = "boss@example.com"
    tollhouse("users", "create", boss, "--role", "owner")
    report = ("--report", "usage", "--by", "team", "--by", "day", "--period", "last_week")
    hook = ("--url", "https://hooks.example.com/x")
    made = tollhouse.json("schedules", "add", "weekly", *DAILY, "--user", boss, *report, *hook)
    work = {"report": "usage", "by": ["team", "day"], "period": "last_week", "url": "https://hooks.example.com/x"}
    assert (made["kind"], made["work"]) == ("report", work)
    of_team = ("--of-team", "default", "--team", "default")
    assert tollhouse.json("schedules", "add", "b", *DAILY, "--user", boss, *report, *hook, *of_team)["team_id"]
    assert "mail server" in tollhouse.error(
        "schedules", "add", "c", *DAILY, "--user", boss, *report, "--to", boss, status=2
    )
    for wrong in (("--key", key, *report), ("--user", boss, *report, "--prompt", "x"), ("--user", boss, "--by", "day")):
        assert tollhouse("schedules", "add", "d", *DAILY, *wrong, status=2).stdout == ""
    assert "nobody" in tollhouse.error("schedules", "add", "e", *DAILY, "--user", "x@example.com", *report, *hook)


def test_without_anything_the_list_says_so(tollhouse: Tollhouse) -> None:
    assert tollhouse("jobs", "list").stdout == "Nothing runs in the background.\n"
    assert tollhouse.json("jobs", "list") == []
    assert "There is no job" in tollhouse.error("jobs", "show", "batch_none")
