"""What is counted as the gateway's own part of a call."""

import time

from tests.gateway import Gateway
from tollhouse import metrics


def counted(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0


def test_what_is_waited_for_the_provider_and_for_the_client_is_not_the_gateways(gateway: Gateway) -> None:
    gateway.add_echo("slow", "chunk_ms=50&words=10")
    before = counted("tollhouse_overhead_seconds_sum", format="chat")
    began = time.monotonic()
    client = gateway.app.test_client()
    answer = client.post(
        "/v1/chat/completions",
        json={"model": "slow", "stream": True, "messages": [{"role": "user", "content": "hi"}]},
        headers={"authorization": f"Bearer {gateway.key}"},
    )
    for number, _ in enumerate(answer.response):
        if number == 0:
            time.sleep(0.3)  # the client takes its time
    answer.close()
    took = time.monotonic() - began
    gateway.rows(1)
    added = counted("tollhouse_overhead_seconds_sum", format="chat") - before
    assert 0 < added <= took - 0.3 - 0.4, "ten words at 50 ms each, of which the client slept through some"
