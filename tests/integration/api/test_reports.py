"""`/api/usage` and `/api/requests`, over calls that were made."""

import pytest

from tests.gateway import CHAT, MESSAGES
from tests.integration.api.management import Management, is_problem
from tollhouse.domain.tables import FORMATS

HELLO = [{"role": "user", "content": "hello big world"}]


@pytest.fixture(scope="module")
def calls(api: Management) -> list[str]:
    """The ids of three calls that have ended."""
    gateway = api.gateway
    gateway.add_echo("priced", "")
    said = (
        (CHAT, {"model": "priced", "messages": HELLO, "user": "customer-17"}, {"x-tollhouse-tags": "nightly,eu"}),
        (MESSAGES, {"model": "priced", "messages": HELLO, "max_tokens": 9, "metadata": {"user_id": "customer-17"}}, {}),
        (CHAT, {"model": "echo", "messages": HELLO}, {}),
    )
    answers = [gateway.post(path, body, headers=headers) for path, body, headers in said]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    gateway.rows(3)
    return [answer.headers["x-request-id"] for answer in answers]


def test_usage_has_the_fields_that_the_command_has(api: Management, calls: list[str]) -> None:
    rows = {row["model"]: row for row in api.get("/usage?by=model", api.owner()).json["data"]}
    assert set(rows["priced"]) == {
        "model",
        "requests",
        "input_tokens",
        "cached_tokens",
        "output_tokens",
        "cost_usd",
        "unpriced_requests",
        "cached_requests",
        "saved_usd",
        "failed_requests",
    }
    assert (rows["priced"]["requests"], rows["echo"]["requests"]) == (2, 1)
    assert float(rows["priced"]["cost_usd"]) > 0


@pytest.mark.parametrize(
    ("group", "requests"),
    [
        ("end_user", {"": 1, "customer-17": 2}),
        ("tag", {"": 2, "eu": 1, "nightly": 1}),
        ("team", {"team_default": 3}),
        ("user", {"": 3}),
    ],
)
def test_usage_is_added_up_by_what_is_asked_for(
    api: Management, calls: list[str], group: str, requests: dict[str, int]
) -> None:
    found, after = {}, None
    while True:
        more = "" if after is None else f"&after={after}"
        page = api.get(f"/usage?by={group}&limit=1{more}", api.owner()).json
        found |= {row[group]: row["requests"] for row in page["data"]}
        if (after := page["next"]) is None:
            break
    assert found == requests


def test_times_are_the_zones_own(api: Management, calls: list[str]) -> None:
    owner = api.owner()
    assert api.get("/usage?since=2999-01-01&timezone=Asia/Tokyo", owner).json["data"] == []
    for since in ("2001-01-01T00:00:00+09:00", "2001-01-01T00:00:00%2B09:00", "2001-01-01T00:00:00Z"):
        assert api.get(f"/usage?since={since}", owner).json["data"]
    days = api.get("/usage?by=day&timezone=Pacific/Kiritimati&since=2001-01-01T00:00", owner).json["data"]
    assert sum(day["requests"] for day in days) == 3


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("by=colour", "by"),
        ("timezone=Mars/Base", "timezone"),
        ("since=yesterday", "since"),
        ("until=2026-13-01", "until"),
        ("limit=0", "limit"),
        ("since=2026-01-01&since=2026-02-01", "since"),
        ("colour=red", "colour"),
    ],
)
def test_what_is_wrong_with_a_question_about_usage_is_named(api: Management, query: str, param: str) -> None:
    answer = api.get(f"/usage?{query}", api.owner())
    assert is_problem(answer, 400, "invalid_value")
    assert answer.json["param"] == param


def test_all_that_usage_can_be_added_up_by_is_told(api: Management) -> None:
    detail = api.get("/usage?by=colour", api.owner()).json["detail"]
    assert detail == "by: it must be one of key, user, team, model, provider, tag, day, hour, month, end_user."


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("status=ok", "status"),
        ("status=1000", "status"),
        ("min_cost_usd=-1", "min_cost_usd"),
        ("max_cost_usd=1e3", "max_cost_usd"),
        ("max_cost_usd=9999999999", "max_cost_usd"),
        ("since=2026-01-01T10:00:00", "since"),
        ("after=led_nowhere", "after"),
        ("tag=", "tag"),
        ("end_user=a%00b", "end_user"),
    ],
)
def test_what_is_wrong_with_a_search_is_named(api: Management, query: str, param: str) -> None:
    answer = api.get(f"/requests?{query}", api.owner())
    assert is_problem(answer, 400, "invalid_value")
    assert answer.json["param"] == param


def test_a_call_is_found_and_shown_by_the_id_of_its_response(api: Management, calls: list[str]) -> None:
    owner = api.owner()
    (row,) = api.get(f"/requests?request_id={calls[0]}", owner).json["data"]
    assert (row["end_user"], row["tags"], row["status"]) == ("customer-17", ["eu", "nightly"], 200)
    call = api.get(f"/requests/{calls[0]}", owner).json
    assert call["attempts"] == [row]
    assert call["cost_usd"] == row["cost_usd"]
    assert float(row["prices"]["output"]) == 2
    assert row["latency_ms"] > 0
    newest_first = [row["request_id"] for row in api.get("/requests", owner).json["data"]]
    assert newest_first == calls[::-1]
    dearer = api.get("/requests?min_cost_usd=0.000000001&end_user=customer-17", owner).json["data"]
    assert [row["request_id"] for row in dearer] == [calls[1], calls[0]]
    assert is_problem(api.get("/requests/req_nowhere", owner), 404, "not_found")


def test_a_report_is_read_and_downloaded(api: Management, calls: list[str]) -> None:
    owner = api.owner()
    told = api.get("/reports/usage?by=model,day&timezone=Europe/Berlin", owner).json
    assert told["report"] == "usage"
    assert {row["model"] for row in told["rows"]} == {"echo", "priced"}
    assert sum(row["requests"] for row in told["rows"]) == 3
    for format, begins in (("csv", b"model,day,requests"), ("xlsx", b"PK"), ("parquet", b"PAR1")):
        answer = api.get(f"/reports/usage?by=model,day&format={format}", owner)
        assert (answer.status_code, answer.data[: len(begins)]) == (200, begins)
        assert answer.content_type.startswith(FORMATS[format])
        assert answer.headers["content-disposition"] == f'attachment; filename="tollhouse-usage.{format}"'


@pytest.mark.parametrize("report", ["usage", "latency", "forecast", "anomalies", "chargeback"])
def test_each_report_answers(api: Management, calls: list[str], report: str) -> None:
    assert api.get(f"/reports/{report}?factor=7.5", api.owner()).json["report"] == report


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("usage?by=colour", "by"),
        ("usage?format=pdf", "format"),
        ("usage?timezone=Mars/Base", "timezone"),
        ("chargeback?month=2026-13", "month"),
        ("anomalies?factor=1", "factor"),
        ("gossip", "report"),
    ],
)
def test_what_is_wrong_with_an_order_of_a_report_is_named(api: Management, query: str, param: str) -> None:
    answer = api.get(f"/reports/{query}", api.owner())
    assert is_problem(answer, 400, "invalid_value")
    assert answer.json["param"] == param
