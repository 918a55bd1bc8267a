"""The ledger as a log: who sees what of it, in what order, narrowed by what, and by which index."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from tests.integration.services.conftest import VAULT, utc
from tollhouse.domain.actor import SHELL, Actor
from tollhouse.domain.errors import Forbidden, InvalidField, NotFound, SearchTooLong
from tollhouse.domain.rights import Role
from tollhouse.services.payloads import Payloads
from tollhouse.services.reports.usage import UsageReport
from tollhouse.services.requests.requests import RequestLog
from tollhouse.store.database import Database
from tollhouse.store.sealed_boxes import SealedBoxes
from tollhouse.store.searches import Searches

NOON = utc(2026, 3, 1, 12)
MEMBER = Actor("person", "usr_1", teams={"team_a": Role.MEMBER, "team_b": Role.VIEWER, "team_c": Role.BILLING_VIEWER})


@pytest.fixture
def log(database: Database) -> RequestLog:
    return RequestLog(Searches(database), Payloads(database, SealedBoxes(VAULT)))


def ids(page: Any) -> list[str]:
    return [row.id for row in page.items]


def test_pages_go_back_in_time_and_leave_nothing_out(log: RequestLog, book: Callable[..., str]) -> None:
    made = [book(NOON + timedelta(seconds=number // 3), team_id=f"team_{'ab'[number % 2]}") for number in range(20)]
    for by in (SHELL, MEMBER):
        seen, after = [], None
        while True:
            page = log.page(3, after, by=by)
            seen += [(row.booked_at, row.id) for row in page.items]
            if (after := page.next) is None:
                break
        assert seen == sorted(seen, reverse=True)
        assert sorted(id for _, id in seen) == sorted(made)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"key_id": "key_x"}, "x"),
        ({"team_id": "team_b"}, "x"),
        ({"user_id": "usr_x"}, "x"),
        ({"end_user": "customer"}, "x"),
        ({"model": "mx"}, "x"),
        ({"provider": "px"}, "x"),
        ({"tag": "Nightly"}, "x"),
        ({"tag": "night"}, ""),
        ({"tag": "night_y"}, ""),
        ({"request_id": "req_x"}, "x"),
        ({"status": 429}, "x"),
        ({"outcome": "rate_limit_exceeded"}, "x"),
        ({"since": NOON, "until": NOON + timedelta(hours=1)}, "x"),
        ({"since": NOON + timedelta(seconds=1)}, "y"),
        ({"until": NOON}, ""),
        ({"min_cost": 500, "max_cost": 500}, "x"),
        ({"min_cost": 501}, "y"),
        ({"max_cost": 499}, ""),
        ({"status": 429, "model": "my"}, ""),
    ],
)
def test_each_filter_narrows_the_log(
    log: RequestLog, book: Callable[..., str], filters: dict[str, Any], found: str
) -> None:
    rows = {
        "x": book(
            NOON,
            request_id="req_x",
            team_id="team_b",
            key_id="key_x",
            user_id="usr_x",
            end_user="customer",
            model="mx",
            provider="px",
            tags=",nightly,",
            status=429,
            outcome="rate_limit_exceeded",
            cost=500,
        ),
        "y": book(NOON + timedelta(hours=2), team_id="team_a", model="my", tags=",other,", cost=900),
    }
    for by in (SHELL, MEMBER):
        assert ids(log.page(50, by=by, **filters)) == [rows[name] for name in found]


def test_nobody_sees_what_is_of_another_team(log: RequestLog, book: Callable[..., str]) -> None:
    theirs = book(NOON, request_id="req_theirs", team_id="team_d", key_id="key_d")
    billed = book(NOON, request_id="req_billed", team_id="team_c", key_id="key_c")
    mine = book(NOON, request_id="req_mine", team_id="team_a")
    assert ids(log.page(50, by=MEMBER)) == [mine]
    assert ids(log.page(50, key_id="key_d", by=MEMBER)) == []
    assert ids(log.page(50, request_id="req_billed", by=MEMBER)) == []
    assert sorted(ids(log.page(50, by=SHELL))) == sorted([theirs, billed, mine])
    with pytest.raises(NotFound):
        log.get("req_theirs", by=MEMBER)
    with pytest.raises(NotFound):
        log.page(50, team_id="team_d", by=MEMBER)
    with pytest.raises(Forbidden):
        log.get("req_billed", by=MEMBER)
    with pytest.raises(Forbidden):
        log.page(50, team_id="team_c", by=MEMBER)
    with pytest.raises(Forbidden):
        log.page(50, by=Actor("person", "usr_2"))
    for unknown in (theirs, "led_0"):
        with pytest.raises(InvalidField, match="after: there is no row"):
            log.page(50, unknown, by=MEMBER)


def test_a_call_has_all_of_its_attempts_and_their_corrections(log: RequestLog, book: Callable[..., str]) -> None:
    prices = {"input_price": 150_000_000, "cache_read_price": 0, "cache_write_price": 0, "output_price": 600_000_000}
    book(NOON, request_id="req_1", attempt=2, provider="second", cost=300, first_token_us=1500, **prices)
    book(NOON, request_id="req_1", attempt=1, provider="first", outcome="upstream_gone", status=502, cost=None)
    book(NOON, request_id="req_1", attempt=2, kind="adjustment", provider="second", cost=-100, input_tokens=0)
    call = log.get("req_1", by=SHELL)
    assert [(one.provider, one.kind) for one in call.attempts] == [
        ("first", "call"),
        ("second", "call"),
        ("second", "adjustment"),
    ]
    assert (call.status, call.outcome, call.cost_usd, call.input_tokens) == (200, "ok", "0.0000002", 35)
    second = call.attempts[1]
    assert second.prices is not None
    assert (second.prices.input, second.prices.output, second.prices.per_thousand_units) == ("0.15", "0.6", None)
    assert (second.latency_ms, second.first_token_ms, second.cached_tokens) == (1.0, 1.5, 3)
    assert (call.attempts[0].prices, call.attempts[0].cost_usd) == (None, None)


@pytest.mark.parametrize(
    ("filters", "by", "index"),
    [
        ({}, SHELL, "ix_ledger_booked_at"),
        ({"since": NOON, "model": "m"}, SHELL, "ix_ledger_booked_at"),
        ({}, MEMBER, "ix_ledger_team"),
        ({"team_id": "team_a", "since": NOON}, SHELL, "ix_ledger_team"),
        ({"key_id": "key_a"}, SHELL, "ix_ledger_key"),
        ({"key_id": "key_a"}, MEMBER, "ix_ledger_key"),
        ({"request_id": "req_1"}, MEMBER, "uq_ledger_attempt"),
    ],
)
def test_the_first_and_the_second_page_are_read_by_an_index(
    database: Database, book: Callable[..., str], filters: dict[str, Any], by: Actor, index: str
) -> None:
    last = book(NOON, team_id="team_a")
    searches = Searches(database)
    statements: list[tuple[str, Any]] = []
    event.listen(searches._engine, "before_cursor_execute", lambda *given: statements.append((given[2], given[3])))
    for after in (None, last):
        RequestLog(searches, Payloads(database, SealedBoxes(VAULT))).page(50, after, by=by, **filters)
    asked = [(said, given) for said, given in statements if "ORDER BY" in said]
    assert len(asked) in (2, 4)
    with database.engine.connect() as connection:
        if database.dialect == "postgresql":
            connection.execute(text("SET enable_seqscan = off"))
            connection.execute(text("SET enable_bitmapscan = off"))
        for said, given in asked:
            explain = "EXPLAIN " if database.dialect == "postgresql" else "EXPLAIN QUERY PLAN "
            plan = "\n".join(map(str, connection.exec_driver_sql(explain + said, given)))
            assert index in plan, plan


def test_a_search_that_takes_too_long_is_ended(database: Database) -> None:
    searches = Searches(database, seconds=1)
    if database.dialect == "postgresql":
        endless = text("SELECT pg_sleep(30)")
    else:
        endless = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n")
    with pytest.raises(SearchTooLong, match="longer than the 1 s"):
        searches.ask(lambda session: session.execute(endless).all())
    assert searches.ask(lambda session: session.execute(text("SELECT 7")).scalar()) == 7


def test_usage_is_of_the_teams_whose_money_one_may_see(database: Database, book: Callable[..., str]) -> None:
    for team, cost in (("team_a", 1), ("team_b", 20), ("team_c", 300), ("team_d", 4000)):
        book(NOON, team_id=team, cost=cost)
    usage = UsageReport(Searches(database))
    assert {team: sums.cost for team, sums in usage.by("team", by=MEMBER).items()} == {
        "team_a": 1,
        "team_b": 20,
        "team_c": 300,
    }
    assert usage.by("day", by=MEMBER)["2026-03-01"].cost == 321
    assert usage.by("day", by=MEMBER, timezone="Asia/Tokyo")["2026-03-01"].cost == 321
    assert usage.by("model", team_id="team_b", by=MEMBER)["m"].cost == 20
    assert usage.by("model", by=Actor("person", "usr_2", Role.BILLING_VIEWER))["m"].cost == 4321
    with pytest.raises(NotFound):
        usage.by("model", team_id="team_d", by=MEMBER)
    with pytest.raises(Forbidden):
        usage.by("model", by=Actor("person", "usr_2"))
