"""`db`, `doctor` and `settings`."""

import pytest

from tollhouse.settings import SECRET_MARK


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
