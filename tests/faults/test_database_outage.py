"""PostgreSQL stopped, killed, hung: new calls are refused at once, open streams finish, all is booked later."""

import time
from collections.abc import Callable

import pytest

from tests.faults.audit import audit
from tests.faults.client import Answer, Pulse, await_tokens, ends
from tests.faults.conftest import MakeGateway
from tests.faults.figures import measured
from tests.faults.gateway import Gateway
from tests.faults.servers import BreakablePostgres, signal_all
from tests.running import wait_until

LONG = pytest.mark.faults


@pytest.fixture(scope="module")
def gateway(make_lasting_gateway: MakeGateway, lasting_postgres: BreakablePostgres) -> Gateway:
    lasting_postgres.revive()
    gateway = make_lasting_gateway(database_url=lasting_postgres.create_database(), TOLLHOUSE_WEB_PROCESSES="2")
    gateway.start("scheduler")
    gateway.start("web")
    return gateway


def assert_ledger_is_up(gateway: Gateway) -> None:
    wait_until(lambda: gateway.readiness()[0] == 200, 5, "/readyz does not say so")
    wait_until(lambda: ledger_up(gateway) == 1, 5, "the metric does not say so")


def ledger_up(gateway: Gateway) -> float:
    return min(gateway.metric("tollhouse_ledger_up").values())


STOPPED = (BreakablePostgres.stop, BreakablePostgres.start_again)
KILLED = (BreakablePostgres.kill, BreakablePostgres.start_again)
HUNG = (BreakablePostgres.hang, BreakablePostgres.go_on)


@pytest.mark.parametrize(
    ("how", "seconds"),
    [
        pytest.param(STOPPED, 6, id="stopped-6"),
        pytest.param(HUNG, 5, id="hung-5"),
        pytest.param(KILLED, 6, id="killed-6", marks=LONG),
        pytest.param(STOPPED, 30, id="stopped-30", marks=LONG),
        pytest.param(HUNG, 30, id="hung-30", marks=LONG),
    ],
)
def test_calls_are_refused_streams_finish_and_all_is_booked_on_its_return(
    gateway: Gateway,
    postgres: BreakablePostgres,
    how: tuple[Callable[[BreakablePostgres], None], Callable[[BreakablePostgres], None]],
    seconds: float,
) -> None:
    lose, bring_back = how
    web = gateway.running("web")
    gateway.client.calls(10)
    assert_ledger_is_up(gateway)
    said, said_back = len(web.said("ledger_away")), len(web.said("ledger_back"))
    # They end while it is away.
    streams = gateway.client.streams(20, tokens=int(seconds * 10), every=0.05)
    await_tokens(streams)

    lose(postgres)
    lost_at = time.monotonic()
    refused: list[Answer] = []
    with Pulse(gateway.client) as pulse:
        while time.monotonic() - lost_at < seconds:
            refused += gateway.client.calls(4)
            if time.monotonic() - lost_at > 4:
                assert gateway.client.get("/readyz").status == 503
                assert ledger_up(gateway) == 0
            time.sleep(0.2)
        answers = ends(streams)
    assert [answer for answer in refused if not answer.refused_well] == []
    assert [answer for answer in answers if not answer.whole] == []
    assert {answer.status for answer in pulse.answers} == {200}
    assert pulse.usual_worst < 0.1

    bring_back(postgres)
    back_at = time.monotonic()
    wait_until(lambda: gateway.client.call().whole, 10, "it does not recover")
    recovered = time.monotonic() - back_at
    found = audit(gateway, within=10)
    booked = time.monotonic() - back_at
    measured(
        f"{len(refused)} refused, slowest {max(a.seconds for a in refused):.2f} s; healthz "
        f"{pulse.usual_worst * 1000:.0f} ms; serves again after {recovered:.1f} s, all booked after {booked:.1f} s"
    )
    assert booked < 10
    for stream in streams:
        call = found.booked[stream.answer.plan.number]
        assert (call.outcome, call.estimated, call.rows) == ("ok", False, 1)
    assert_ledger_is_up(gateway)
    # One line when it goes and one when it is back, in each process.
    assert 1 <= len(web.said("ledger_away")) - said <= 2
    assert len(web.said("ledger_back")) - said_back == len(web.said("ledger_away")) - said


@pytest.mark.parametrize("how", [pytest.param(STOPPED, id="stopped"), pytest.param(HUNG, id="hung", marks=LONG)])
def test_settlements_that_wait_outlive_their_process(
    gateway: Gateway,
    postgres: BreakablePostgres,
    how: tuple[Callable[[BreakablePostgres], None], Callable[[BreakablePostgres], None]],
) -> None:
    lose, bring_back = how
    web = gateway.running("web")
    said = len(web.said("ledger_away"))
    streams = gateway.client.streams(20, tokens=40, every=0.05)
    await_tokens(streams)
    lose(postgres)
    answers = ends(streams)
    assert [answer for answer in answers if not answer.whole] == []
    wait_until(lambda: gateway.client.call().refused_well and len(web.said("ledger_away")) >= said + 2, 8)
    time.sleep(1)

    killed = web.workers
    signal_all(killed, 9)
    wait_until(lambda: web.workers and not set(killed) & set(web.workers), 5, "the web processes do not come back")
    wait_until(lambda: gateway.client.call().refused_well, 30)
    assert gateway.client.get("/healthz").status == 200

    bring_back(postgres)
    back_at = time.monotonic()
    wait_until(lambda: gateway.client.call().whole, 10, "it does not recover")
    found = audit(gateway)
    measured(f"all booked {time.monotonic() - back_at:.1f} s after its return")
    for stream in streams:
        call = found.booked[stream.answer.plan.number]
        # Whoever was first, the sweep or the spool: in the end it is what the upstream told.
        assert not call.estimated, call
        assert call.output == 40


def test_a_gateway_that_starts_while_the_database_is_away_waits_for_it(
    make_gateway: MakeGateway, postgres: BreakablePostgres
) -> None:
    gateway = make_gateway(database_url=postgres.create_database())
    postgres.stop()
    web = gateway.start("web", ready=False)
    wait_until(lambda: gateway.client.get("/healthz").status == 200, 10)
    assert gateway.client.get("/readyz").status == 503
    assert gateway.client.call().refused_well
    postgres.start_again()
    wait_until(lambda: gateway.client.call().whole, 10, "it does not recover")
    assert web.child.poll() is None
    audit(gateway, within=10)
