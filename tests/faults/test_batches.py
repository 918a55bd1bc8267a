"""PostgreSQL goes away while a batch runs, and comes back: every line has one result, and every call is booked."""

import json
import time
from collections.abc import Callable, Iterator

import pytest
from openai import APIError, OpenAI
from sqlalchemy import func, select

from tests.batches import jsonl, line
from tests.counting_host import CountingHost
from tests.faults.conftest import MakeGateway
from tests.faults.figures import measured
from tests.faults.gateway import Gateway
from tests.faults.servers import BreakablePostgres
from tests.running import wait_until
from tollhouse import settings, wiring
from tollhouse.services.models.models import NewModel
from tollhouse.store.records import HoldRecord, LedgerRecord

NUMBER = 300
AT_ONCE = 8

STOPPED = (BreakablePostgres.stop, BreakablePostgres.start_again)
KILLED = (BreakablePostgres.kill, BreakablePostgres.start_again)
HUNG = (BreakablePostgres.hang, BreakablePostgres.go_on)
LONG = pytest.mark.faults


@pytest.fixture
def host() -> Iterator[CountingHost]:
    host = CountingHost(0.05)
    yield host
    host.close()


@pytest.fixture
def gateway(make_gateway: MakeGateway, postgres: BreakablePostgres, host: CountingHost) -> Gateway:
    gateway = make_gateway(
        database_url=postgres.create_database(),
        TOLLHOUSE_RUN_BATCH_SECONDS="1",
        TOLLHOUSE_BATCH_CONCURRENCY=str(AT_ONCE),
    )
    services = wiring.build(settings.load(gateway.environment, gateway.home / "no.env"), "cli")
    services.providers.add("counting", "openai", host.url, credential="sk-x", allow_private=True)
    services.models.add(NewModel("m", "counting", input_price=10**9, output_price=10**9, context_window=10_000))
    services.close()
    for name in ("scheduler", "web", "worker"):
        gateway.start(name)
    return gateway


def rows(gateway: Gateway) -> tuple[int, int]:
    """Calls in the ledger, and open holds."""
    with gateway.database.read() as session:
        calls = select(func.count()).where(LedgerRecord.kind == "call", LedgerRecord.model == "m")
        return session.scalar(calls) or 0, session.scalar(select(func.count()).select_from(HoldRecord)) or 0


@pytest.mark.parametrize(
    ("how", "seconds"),
    [
        pytest.param(STOPPED, 3, id="restarted"),
        pytest.param(KILLED, 3, id="killed", marks=LONG),
        pytest.param(HUNG, 5, id="hung", marks=LONG),
        # Longer than lines are claimed for.
        pytest.param(STOPPED, 20, id="away-20", marks=LONG),
    ],
)
def test_every_line_has_one_result_and_every_call_is_booked(
    gateway: Gateway,
    host: CountingHost,
    postgres: BreakablePostgres,
    how: tuple[Callable[[BreakablePostgres], None], Callable[[BreakablePostgres], None]],
    seconds: float,
) -> None:
    lose, bring_back = how
    with OpenAI(base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key=gateway.key, timeout=10) as client:
        content = jsonl(line(f"c{number}", f"word {number}") for number in range(NUMBER))
        file = client.files.create(file=("calls.jsonl", content), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        wait_until(lambda: host.seen.total() > NUMBER // 4, 60, "its lines are not called")
        lose(postgres)
        time.sleep(seconds)
        under_way = host.seen.total()
        bring_back(postgres)
        back_at = time.monotonic()

        def ended() -> bool:
            try:
                return client.batches.retrieve(batch.id).status == "completed"
            except APIError:
                return False

        wait_until(ended, 120, "the batch does not end")
        shown = client.batches.retrieve(batch.id)
        assert shown.request_counts is not None
        assert (shown.request_counts.completed, shown.request_counts.failed) == (NUMBER, 0)
        answers = [json.loads(one) for one in client.files.content(shown.output_file_id or "").text.splitlines()]
    said = [(one["custom_id"], one["response"]["body"]["choices"][0]["message"]["content"]) for one in answers]
    assert sorted(said) == sorted((f"c{number}", f"You said: word {number}") for number in range(NUMBER))
    wait_until(lambda: rows(gateway)[1] == 0, 90, "something is still held")
    booked, _ = rows(gateway)
    seen = host.seen.total()
    # What was under way when it went away may be made again; a call that was held and not sent is a row as well.
    assert NUMBER <= seen <= NUMBER + 4 * AT_ONCE
    assert seen <= booked <= seen + 4 * AT_ONCE
    measured(f"{under_way} of {NUMBER} called when it came back; ended {time.monotonic() - back_at:.1f} s later")
