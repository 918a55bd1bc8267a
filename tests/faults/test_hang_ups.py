"""Clients that leave while the upstream is silent."""

import time

import pytest

from tests.faults.audit import audit
from tests.faults.client import Plan, send
from tests.faults.conftest import MakeGateway
from tests.faults.figures import measured
from tests.faults.gateway import Gateway
from tests.running import wait_until

MOST_SECONDS = 2.0


@pytest.fixture(scope="module")
def gateway(make_lasting_gateway: MakeGateway) -> Gateway:
    gateway = make_lasting_gateway()
    gateway.start("web")
    return gateway


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(
    "plan",
    [
        pytest.param({"tokens": 3, "silent": 30.0}, id="before-the-first-token"),
        pytest.param({"tokens": 2, "every": 30.0}, id="between-tokens"),
    ],
)
def test_a_client_that_leaves_while_the_upstream_is_silent_frees_its_slot_and_is_booked(
    gateway: Gateway, plan: dict[str, float], stream: bool
) -> None:
    upstream, calls = gateway.upstream, []
    for _ in range(3):
        connection = gateway.client.connect()
        wanted = Plan(**plan)  # type: ignore[arg-type]
        send(connection, gateway.client.key, wanted, stream=stream)
        calls.append((connection, wanted))
    numbers = {wanted.number for _, wanted in calls}
    wait_until(lambda: numbers <= {call.number for call in upstream.open_calls})
    time.sleep(0.3)

    left_at = time.monotonic()
    for connection, _ in calls:
        connection.close()
    wait_until(
        lambda: all(upstream.call(number).left for number in numbers), MOST_SECONDS, "the upstream is still open"
    )
    measured(f"upstream closed {time.monotonic() - left_at:.2f} s after the clients left")

    found = audit(gateway, within=MOST_SECONDS)
    assert {found.booked[number].outcome for number in numbers} == {"client_gone"}
    assert all(found.booked[number].estimated for number in numbers)
    assert gateway.client.call().whole
    audit(gateway, within=MOST_SECONDS)


@pytest.fixture(scope="module")
def patient(make_lasting_gateway: MakeGateway) -> Gateway:
    """Reads on when a client leaves."""
    gateway = make_lasting_gateway(TOLLHOUSE_CLIENT_GONE="read")
    gateway.start("web")
    return gateway


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_where_replies_are_read_on_a_client_that_leaves_before_the_first_byte_is_booked_at_what_the_provider_says(
    patient: Gateway, stream: bool
) -> None:
    wanted = Plan(tokens=4, every=0.1, silent=3.0)
    connection = patient.client.connect()
    send(connection, patient.client.key, wanted, stream=stream)
    wait_until(lambda: wanted.number in {call.number for call in patient.upstream.open_calls}, 20)
    connection.close()
    wait_until(lambda: patient.upstream.call(wanted.number).ended_at is not None, 30, "the upstream is still open")
    assert not patient.upstream.call(wanted.number).left
    booked = audit(patient, within=20).booked[wanted.number]
    assert (booked.outcome, booked.estimated, booked.output) == ("client_gone", False, 4)
    assert patient.client.call(stream=stream).whole
    audit(patient, within=20)


def test_where_replies_are_read_on_a_call_that_fails_is_not_made_anew_for_a_client_that_has_left(
    make_gateway: MakeGateway,
) -> None:
    gateway = make_gateway(TOLLHOUSE_CLIENT_GONE="read", TOLLHOUSE_RETRIES="5", TOLLHOUSE_FIRST_BYTE_SECONDS="3")
    gateway.start("web")
    wanted = Plan(silent=60.0)
    connection = gateway.client.connect()
    send(connection, gateway.client.key, wanted, stream=True)
    wait_until(lambda: bool(gateway.upstream.open_calls), 20)
    connection.close()
    booked = audit(gateway, within=30).booked[wanted.number]
    assert (booked.outcome, booked.estimated) == ("upstream_timeout", True)
    assert len(gateway.upstream.calls) == 1
