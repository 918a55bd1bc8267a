"""Workers for webhooks that are killed at random, and a Redis that forgets: each event arrives, few of them twice."""

import random
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from redis import Redis

from tests.e2e.test_people import PASSWORD, Site
from tests.e2e.test_webhooks import Hook, kill
from tests.faults.figures import measured
from tests.receiver import Arrived, receiving
from tests.running import RunningGateway, wait_until
from tollhouse.kv.embedded import embedded_redis_url
from tollhouse.services.webhooks.claims import AT_ONCE_EACH

EVENTS, KILLS = 200, 10


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_each_event_arrives_however_often_its_worker_is_killed() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="tollhouse-wf-", ignore_cleanup_errors=True) as folder,
        receiving() as receiver,
    ):
        gateway = RunningGateway(
            Path(folder) / "home",
            TOLLHOUSE_LOCAL_MODEL="off",
            TOLLHOUSE_ADMIN_PASSWORD=PASSWORD,
            TOLLHOUSE_DELIVER_WEBHOOKS_SECONDS="1",
            TOLLHOUSE_WEBHOOK_NETWORKS="127.0.0.0/8",
            TOLLHOUSE_WEBHOOK_ANSWER_SECONDS="3",
        )
        try:
            site = Site(gateway)
            site.login("admin@localhost")

            def answer(_: Arrived) -> tuple[int, Mapping[str, str]]:
                time.sleep(random.uniform(0.1, 0.6))
                return 200, {}

            receiver.answer = answer
            hook = Hook(site, receiver)
            sent = set()
            for _ in range(EVENTS):
                status, delivery = site.ask("POST", f"{hook.path}/test", {})
                assert status == 202
                sent.add(delivery["event_id"])
            with Redis.from_url(embedded_redis_url(gateway.home)) as redis:
                redis.flushall()
            for _ in range(KILLS):
                arrived = len(receiver.got)
                wait_until(lambda before=arrived: len(receiver.got) > before or hook.are_delivered(), 60)
                time.sleep(random.uniform(0, 0.3))
                kill(gateway, "tollhouse worker --webhooks")
            wait_until(lambda: not hook.deliveries(state="waiting") and not hook.deliveries(state="sending"), 300)
        finally:
            gateway.stop()
    times = Counter(one.id for one in receiver.got)
    assert times.keys() == sent
    twice = sum(times.values()) - EVENTS
    assert twice <= KILLS * AT_ONCE_EACH, "more came again than could have been under way"
    measured(f"{EVENTS} events, {KILLS} kills of the worker, Redis emptied: all arrived, {twice} of them once more")
