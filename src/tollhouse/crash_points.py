"""Named points at which a process can be made to die, for tests of what survives that.

Nothing here does anything unless TOLLHOUSE_CRASH_FILE was set when the process started.
"""

import os
from collections.abc import Callable
from pathlib import Path

POINTS = (
    "hold_committed",
    "sent",
    "began",
    "relaying",
    "replied",
    "settle_queued",
    "settle_committing",
    "settle_committed",
)
"""In the order in which a call passes them."""
HANDOVER_POINTS = ("handover_held", "handover_uploaded", "handover_sent", "handover_settled")
"""In the order in which lines pass them that are handed over to a provider's own batches."""

EXIT_STATUS = 86


def _pass(_point: str) -> None:
    pass


def _crasher(file: Path) -> Callable[[str], None]:
    def reach(point: str) -> None:
        try:
            named = file.read_text().strip()
        except FileNotFoundError:
            return
        if named == point:
            file.unlink()
            os._exit(EXIT_STATUS)

    return reach


def _chosen() -> Callable[[str], None]:
    name = os.environ.get("TOLLHOUSE_CRASH_FILE")
    return _crasher(Path(name)) if name else _pass


reach: Callable[[str], None] = _chosen()
"""The process is at this point. If the crash file names it, the file is removed and the process ends at once."""
