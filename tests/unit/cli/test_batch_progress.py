"""How a batch gets on, in a line."""

from typing import Any

from tollhouse.cli.batch_progress import BatchProgress


def batch(completed: int, failed: int = 0, status: str = "in_progress", **more: Any) -> dict[str, Any]:
    counts = {"total": 1000, "completed": completed, "failed": failed}
    return {"status": status, "request_counts": counts, "cost_usd": "0.0042", "paused": None, **more}


def test_at_first_nobody_knows_how_long_it_takes() -> None:
    assert BatchProgress().line(batch(0), 5.0) == "in_progress: 0/1000 done, 0 failed, 0.0042 USD"


def test_then_its_rate_and_what_is_left_are_told() -> None:
    progress = BatchProgress()
    progress.line(batch(0), 0.0)
    line = progress.line(batch(95, 5), 10.0)
    assert line == "in_progress: 100/1000 done, 5 failed, 10/s, 0.0042 USD, 1 min 30 s left"
    assert progress.line(batch(1000, status="completed"), 12.0).endswith("83.3/s, 0.0042 USD")


def test_the_rate_is_that_of_the_last_seconds() -> None:
    progress = BatchProgress()
    for second in range(60):
        progress.line(batch(second), float(second))
    for second in range(60, 80):
        line = progress.line(batch(59 + 20 * (second - 59)), float(second))
    assert "20/s" in line


def test_why_it_waits_is_told() -> None:
    line = BatchProgress().line(batch(1, paused={"until": 1, "message": "The budget is spent."}), 0.0)
    assert line.endswith("(waits: The budget is spent.)")
