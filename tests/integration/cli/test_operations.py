"""`db`, `doctor` and `settings`."""

from datetime import datetime, timedelta

import pytest

from tests.running import free_port
from tollhouse.settings import SECRET_MARK
from tollhouse.store.database import Database
from tollhouse.store.leases import Leases
from tollhouse.store.records import BatchRecord, LedgerRecord


def test_a_schema_goes_down_and_up_again(tollhouse) -> None:
    at_first = tollhouse.json("db", "current")
    assert at_first["current"] == at_first["newest"]
    assert tollhouse.json("db", "downgrade", "base")["current"] is None
    assert "run `tollhouse db upgrade`" in tollhouse.error("keys", "list")
    assert "run `tollhouse db upgrade`" in tollhouse("db", "current").stdout
    assert tollhouse.json("db", "upgrade") == at_first
    assert tollhouse.json("keys", "list") == []


def test_a_new_postgresql_database_is_migrated_by_oneself(tollhouse, postgres_server) -> None:
    url = postgres_server.create_database()
    given = {"TOLLHOUSE_DATABASE_URL": url, "TOLLHOUSE_SECRET_KEY": "s" * 40}
    try:
        assert "run `tollhouse db upgrade`" in tollhouse.error("keys", "list", **given)
        tollhouse("db", "upgrade", **given)
        tollhouse("db", "check", **given)
        assert tollhouse.json("keys", "create", "--name", "x", **given)["key"]
    finally:
        postgres_server.drop_database(url)


def test_one_migration_is_taken_back_by_default(tollhouse) -> None:
    at_first = tollhouse.json("db", "current")
    assert tollhouse.json("db", "downgrade")["current"] != at_first["current"]
    tollhouse("db", "upgrade")
    assert tollhouse.json("db", "downgrade", "-1")["current"] != at_first["current"]


def test_a_check_fails_when_the_tables_differ(tollhouse) -> None:
    tollhouse("db", "check")
    tollhouse("db", "downgrade", "base")
    assert "run `tollhouse db upgrade`" in tollhouse.error("db", "check")


def test_the_doctor_names_what_is_wrong_and_what_to_do(tollhouse) -> None:
    findings = {one["name"]: one for one in tollhouse.json("doctor", status=1)}
    assert findings["database"]["ok"] is True
    assert findings["migrations"]["ok"] is True
    assert findings["redis"]["ok"] is False
    assert "tollhouse up" in findings["redis"]["advice"]
    result = tollhouse("doctor", status=1)
    assert "-> Start `tollhouse up`" in result.stdout
    assert result.stderr == ""


def test_the_doctor_is_content_when_all_is_well(tollhouse, valkey) -> None:
    assert tollhouse("doctor", TOLLHOUSE_REDIS_URL=valkey.url).stdout.endswith("All is well.\n")
    assert all(one["ok"] for one in tollhouse.json("doctor", TOLLHOUSE_REDIS_URL=valkey.url))


def findings_of(tollhouse, **given: str) -> dict:
    return {one["name"]: one for one in tollhouse.json("doctor", status=1, **given)}


def test_the_doctor_names_a_secret_key_that_others_can_read(tollhouse) -> None:
    tollhouse("keys", "create", "--name", "a")
    key = tollhouse.home / "secret.key"
    key.chmod(0o644)
    found = findings_of(tollhouse)["secret key"]
    assert (found["ok"], found["advice"]) == (False, f"Run `chmod 600 {key}`.")


def test_the_doctor_names_a_provider_that_does_not_answer(tollhouse) -> None:
    where = ("--format", "openai", "--base-url", f"http://127.0.0.1:{free_port()}/v1", "--allow-private")
    tollhouse("providers", "add", "silent", *where)
    found = findings_of(tollhouse)["provider silent"]
    assert found["ok"] is False
    assert "check that the provider is up" in found["advice"]


def test_the_doctor_names_tables_that_are_older_than_the_program(tollhouse) -> None:
    tollhouse("db", "upgrade")
    tollhouse("db", "downgrade", "0001")
    found = findings_of(tollhouse)
    assert found["migrations"]["ok"] is False
    assert found["migrations"]["advice"] == "Run `tollhouse db upgrade`."


def test_the_doctor_names_work_that_nobody_does_and_who_would(tollhouse) -> None:
    tollhouse("keys", "create", "--name", "a")
    database = Database(f"sqlite:///{tollhouse.home / 'tollhouse.db'}")
    try:
        with database.write() as session:
            created_at = database.now(session) - timedelta(seconds=400)
            session.add(waiting_batch(created_at))
        found = findings_of(tollhouse)["queue"]
        assert found["ok"] is False
        assert found["detail"].startswith("0 of batch_lines wait, the oldest for 4")
        assert "`tollhouse scheduler`" in found["advice"], "none runs"
        Leases(database).take("scheduler", "sch_1", 60)
        assert "`tollhouse worker`" in findings_of(tollhouse)["queue"]["advice"]
    finally:
        database.close()


def test_the_doctor_names_a_clock_that_goes_wrong(tollhouse) -> None:
    tollhouse("keys", "create", "--name", "a")
    database = Database(f"sqlite:///{tollhouse.home / 'tollhouse.db'}")
    try:
        with database.write() as session:
            session.add(booked_at(database.now(session) + timedelta(hours=1)))
    finally:
        database.close()
    found = findings_of(tollhouse)["clock"]
    assert (found["ok"], found["advice"]) == (False, "Set this machine's clock by NTP.")


def test_the_doctor_names_a_log_file_that_cannot_be_written(tollhouse) -> None:
    found = findings_of(tollhouse, TOLLHOUSE_LOG_FILE=str(tollhouse.home / "nowhere" / "gate.log"))["log file"]
    assert found["ok"] is False
    assert "TOLLHOUSE_LOG_FILE" in found["advice"]


def waiting_batch(created_at: datetime) -> BatchRecord:
    counts = ("read_bytes", "read_lines", "total", "completed", "failed", "not_called", "input_tokens", "cached_tokens")
    more = ("output_tokens", "reasoning_tokens", "cost", "output_kept_seconds")
    return BatchRecord(
        id="batch_1",
        team_id="team_default",
        key_id="key_1",
        tags=[],
        endpoint="/v1/chat/completions",
        completion_window="24h",
        input_file_id="file-1",
        status="validating",
        is_open=True,
        created_at=created_at,
        expires_at=created_at + timedelta(days=1),
        **dict.fromkeys((*counts, *more), 0),
    )


def booked_at(moment: datetime) -> LedgerRecord:
    names = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    return LedgerRecord(
        id="led_1",
        kind="attempt",
        request_id="req_1",
        attempt=1,
        booked_at=moment,
        started_at=moment,
        key_id="key_1",
        model="m",
        provider="p",
        upstream_model="m",
        format="chat",
        streamed=False,
        status=200,
        outcome="ok",
        attempts=1,
        estimated=False,
        latency_us=1,
        **dict.fromkeys(names, 0),
    )


def test_the_doctor_examines_a_damaged_database(tollhouse) -> None:
    tollhouse.home.mkdir()
    (tollhouse.home / "tollhouse.db").write_bytes(b"no database at all" * 1000)
    findings = {one["name"]: one["ok"] for one in tollhouse.json("doctor", status=1)}
    assert findings["home"] is True
    assert findings["database"] is False


def test_the_doctor_reports_a_setting_that_stops_everything(tollhouse) -> None:
    (finding,) = tollhouse.json("doctor", status=1, TOLLHOUSE_PORT="none")
    assert "TOLLHOUSE_PORT must be" in finding["advice"]


def test_settings_are_shown_and_secrets_are_not(tollhouse) -> None:
    given = {"TOLLHOUSE_PORT": "8123", "OPENAI_API_KEY": "sk-hidden"}
    result = tollhouse("settings", "--json", **given)
    rows = {row["name"]: row for row in tollhouse.json("settings", **given)}
    assert rows["TOLLHOUSE_PORT"]["value"] == "8123"
    assert rows["TOLLHOUSE_PORT"]["default"] == "8000"
    assert rows["OPENAI_API_KEY"]["value"] == SECRET_MARK
    assert "sk-hidden" not in result.output + tollhouse("settings", **given).output
    assert rows["TOLLHOUSE_PORT"]["doc"]


def test_a_wrong_setting_is_wrong_usage(tollhouse) -> None:
    assert "TOLLHOUSE_PORT must be" in tollhouse.error("settings", status=2, TOLLHOUSE_PORT="none")


@pytest.mark.parametrize("left", [None, "", "not a number", "1"], ids=["none", "empty", "garbage", "unlocked"])
def test_where_no_web_process_runs_none_is_replaced_and_nobody_is_signalled(tollhouse, left: str | None) -> None:
    tollhouse.home.mkdir()
    if left is not None:
        (tollhouse.home / "web-8000.pid").write_text(left)
    assert "No web process serves port 8000" in tollhouse.error("web", "--reload")
