"""What was measured, shown when the tests have ended: where the figures of docs/reference/faults.md come from."""

import os

FIGURES: list[str] = []


def measured(figure: str) -> None:
    """One line of the summary, under the name of the test that runs."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition("::")[2].removesuffix(" (call)")
    FIGURES.append(f"{test}\n    {figure}")
