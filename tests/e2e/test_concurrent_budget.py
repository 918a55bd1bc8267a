"""Many calls at once, over HTTP, to several web processes, against a budget that pays for some of them."""

from concurrent.futures import ThreadPoolExecutor

import openai as openai_errors

from tests.running import RunningGateway, wait_until


def test_200_concurrent_calls_get_exactly_what_a_budget_for_50_pays_for(running: RunningGateway) -> None:
    key = running.json("keys", "create", "--name", "racing")
    running.command("providers", "add", "racing", "--format", "echo", "--base-url", "echo:?delay_ms=5000&words=10")
    # A context window of 20 tokens in, a cap of 10 out, at 1 USD a token: a call holds 30 USD and costs 11.
    running.command(
        "models",
        "add",
        "racing",
        "--provider",
        "racing",
        "--upstream-model",
        "echo",
        "--input-price",
        "1000000",
        "--output-price",
        "1000000",
        "--context-window",
        "20",
    )
    running.command("budgets", "set", "--key", key["id"], "--usd", str(50 * 30 + 29), "--period", "month")
    client = running.openai(key["key"], timeout=60)

    def call(_: int) -> str:
        try:
            client.chat.completions.create(model="racing", messages=[{"role": "user", "content": "x"}], max_tokens=10)
        except openai_errors.RateLimitError as error:
            return error.code or ""
        return "ok"

    with ThreadPoolExecutor(200) as threads:
        outcomes = list(threads.map(call, range(200)))
    assert outcomes.count("ok") == 50
    assert outcomes.count("insufficient_quota") == 150

    def budget() -> dict[str, str]:
        (found,) = [one for one in running.json("budgets", "list") if key["id"] in str(one)]
        return dict(found)

    wait_until(lambda: float(budget()["held_usd"]) == 0)
    assert float(budget()["spent_usd"]) == 50 * 11
