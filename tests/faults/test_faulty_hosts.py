"""A provider that fails in every way there is: what the client saw, what was billed, what the breaker did."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.faulty_hosts import CLOSED, FAULTS, INPUT, NOTHING, OPENS, SEEN, TWICE, Fault, page_row
from tests.gateway import Gateway, settings_for
from tests.integration.providers.conftest import ScriptedUpstream
from tests.ledgers import open_holds
from tests.running import free_port
from tollhouse.services.models.deployments import NewDeployment
from tollhouse.services.models.models import NewModel
from tollhouse.store.records import LedgerRecord

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "provider-faults.md"
SETTINGS = {
    "retries": 1,
    "retry_pause_seconds": 0.02,
    "breaker_failures": 2,
    "breaker_seconds": 60.0,
    "connect_seconds": 0.3,
    "first_byte_seconds": 0.5,
    "idle_seconds": 0.4,
    "total_seconds": 1.2,
}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(settings_for(tmp_path, **SETTINGS))
    yield made
    made.close()


@pytest.fixture(params=FAULTS, ids=lambda fault: fault.name)
def fault(request: pytest.FixtureRequest, gateway: Gateway) -> Iterator[Fault]:
    """A fault, and a model `faulty` at a host that has it."""
    fault: Fault = request.param
    upstream = ScriptedUpstream(fault.host) if fault.host else None
    url = upstream.url if upstream else f"http://127.0.0.1:{free_port()}"
    gateway.services.providers.add("faulty", "openai", f"{url}/v1", allow_private=True, credential="sk-x")
    prices = {"input_price": 10**9, "output_price": 2 * 10**9}
    gateway.services.models.add(NewModel("faulty", "faulty", "m", **prices))
    gateway.services.serve().catalogue.refresh()
    yield fault
    if upstream:
        upstream.close()


def breaker_of(gateway: Gateway) -> str:
    (model,) = [one for one in gateway.services.models.all() if one.name == "faulty"]
    return gateway.services.serve().inference.breakers.state(model.id)


def test_what_the_client_sees_what_is_billed_and_what_the_breaker_does(gateway: Gateway, fault: Fault) -> None:
    began = time.monotonic()
    response = gateway.chat(model="faulty", stream=True)
    assert time.monotonic() - began < 5
    status, _, code = fault.sees.partition(" ")
    said = response.get_data(as_text=True)
    assert response.status_code == int(status.rstrip(","))
    if code.startswith("then "):
        assert code.removeprefix("then ") in said
        assert said.count('"content":"w "') >= 1
    elif code == "retry-after":
        assert response.headers["retry-after"] == "1"
    elif code:
        assert response.json["error"]["code"] == code
    rows = booked(gateway, 2 if fault.billed == TWICE else 1)
    assert rows[-1].attempts == fault.attempts
    assert len({row.request_id for row in rows}) == 1
    assert billed(rows) == fault.billed
    assert open_holds(gateway.services.database) == []
    assert breaker_of(gateway) == ("open" if fault.breaker == OPENS else "closed")


def booked(gateway: Gateway, count: int) -> list[LedgerRecord]:
    """By attempt: what is booked in one moment has no order."""
    return sorted(gateway.rows(count), key=lambda row: row.attempt)


def billed(rows: list[LedgerRecord]) -> str:
    """In the words of the page."""
    if len(rows) == 2:
        assert [(row.estimated, row.output_tokens, row.attempt) for row in rows] == [(True, 0, 1), (True, 0, 2)]
        return TWICE
    (row,) = rows
    if not row.cost:
        return NOTHING
    assert row.estimated
    return SEEN if row.output_tokens else INPUT


def test_where_there_is_another_deployment_no_client_sees_what_failed_before_the_first_byte(
    gateway: Gateway, fault: Fault
) -> None:
    gateway.services.providers.add("well", "echo", "echo:")
    gateway.services.deployments.add("faulty", NewDeployment("well", input_price=10**9, output_price=2 * 10**9))
    gateway.services.serve().catalogue.refresh()
    response = gateway.chat("one two three", model="faulty", stream=True)
    said = response.get_data(as_text=True)
    if "then" in fault.sees or fault.name == "400":
        assert response.headers.get("x-tollhouse-provider") != "well"
        return
    assert (response.status_code, response.headers["x-tollhouse-provider"]) == (200, "well")
    assert response.headers["x-tollhouse-attempts"] == "2"
    assert "three" in said
    assert "error" not in said
    rows = booked(gateway, 1 if fault.billed == NOTHING else 2)
    assert (rows[-1].provider, rows[-1].status) == ("well", 200)
    assert [(row.status, row.estimated) for row in rows[:-1]] == [(0, True)] * (len(rows) - 1)
    assert open_holds(gateway.services.database) == []


def test_the_page_has_the_table_and_nothing_else_in_it() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")][1:]
    assert [row for row in rows if not row.startswith("| ---")] == [page_row(fault) for fault in FAULTS]
    assert CLOSED in "".join(rows)
