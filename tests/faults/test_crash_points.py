"""A process that dies at any point between hold and settlement: its call is booked once, at what is known."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.audit import audit
from tests.faults.client import Answer, Plan, size_of
from tests.faults.conftest import MakeGateway
from tests.faults.gateway import Gateway
from tests.faults.servers import BreakablePostgres
from tests.running import wait_until
from tollhouse.crash_points import POINTS
from tollhouse.domain.ledger import PROCESS_DIED

FEW, MANY = 3, 20
NOT_SENT = {"hold_committed"}
BOOKED_BY_ITSELF = {"settle_committed"}


@pytest.fixture(scope="module")
def crash_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crash") / "point"


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.faults)])
def gateway(request: pytest.FixtureRequest, make_lasting_gateway: MakeGateway, crash_file: Path) -> Gateway:
    """Four web processes, so that one serves while others come back."""
    url = ""
    if request.param == "postgresql":
        postgres: BreakablePostgres = request.getfixturevalue("lasting_postgres")
        postgres.revive()
        url = postgres.create_database()
    gateway = make_lasting_gateway(database_url=url, TOLLHOUSE_WEB_PROCESSES="4")
    # The sweep passes some of the points too: it is not to die here.
    gateway.start("scheduler")
    gateway.start("web", TOLLHOUSE_CRASH_FILE=str(crash_file))
    return gateway


@pytest.fixture
def crash_at(gateway: Gateway, crash_file: Path) -> Callable[[str, bool], Answer]:
    """Makes a call whose process dies at the point."""

    def crash_at(point: str, stream: bool) -> Answer:
        # The settlement of the call before may be under way still, and its process is not the one to die.
        time.sleep(0.3)
        named = crash_file.with_suffix(".new")
        named.write_text(point)
        named.rename(crash_file)  # at once: another process might read half of a word
        answer = gateway.client.call(Plan(tokens=5), stream=stream)
        wait_until(lambda: not crash_file.exists(), 10, f"no process reached {point}")
        return answer

    return crash_at


@pytest.mark.parametrize("times", [pytest.param(FEW), pytest.param(MANY, marks=pytest.mark.faults)])
@pytest.mark.parametrize("point", POINTS)
def test_a_crash_at_any_point_is_booked_once_at_what_is_known(
    gateway: Gateway, crash_at: Callable[[str, bool], Answer], point: str, times: int
) -> None:
    crashed = [crash_at(point, turn % 2 == 0) for turn in range(times)]
    assert gateway.client.call().whole

    found = audit(gateway, unsent=FEW + MANY)
    seen = {call.number for call in gateway.upstream.calls}
    for answer in crashed:
        number = answer.plan.number
        booked = found.booked[number]
        assert (number in seen) == (point not in NOT_SENT)
        if point in BOOKED_BY_ITSELF:
            assert (booked.outcome, booked.estimated, booked.output) == ("ok", False, 5)
        else:
            assert (booked.outcome, booked.estimated) == (PROCESS_DIED, True)
            assert size_of(number) <= booked.input < size_of(number + 1)
            assert answer.whole or not answer.looks_whole, answer
