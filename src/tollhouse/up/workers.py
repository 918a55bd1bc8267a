"""The worker processes: one for each kind of work, so that what takes seconds never waits behind what takes hours."""

import sys
from collections.abc import Mapping, Sequence

from tollhouse.settings import Settings
from tollhouse.up.part import Part
from tollhouse.up.supervisor import Interrupted, Supervisor
from tollhouse.up.terminal import Terminal

COMMAND = (sys.executable, "-m", "tollhouse")
PATIENCE_SECONDS = 5.0
"""How much longer it is waited for a worker than that waits for its calls."""


def worker_parts(
    settings: Settings,
    env: Mapping[str, str] | None = None,
    batches: int = 1,
    command: Sequence[str] = COMMAND,
) -> Sequence[Part]:
    """So many that work off batches, and one for each other kind of work."""

    def part(kind: str, name: str) -> Part:
        return Part(
            name,
            [*command, "worker", f"--{kind}"],
            env=env,
            grace_seconds=settings.worker_stop_seconds + PATIENCE_SECONDS,
        )

    numbered = [f"worker --batches {number}" if batches > 1 else "worker --batches" for number in range(1, batches + 1)]
    return [
        part("short", "worker --short"),
        *(part("batches", name) for name in numbered),
        part("responses", "worker --responses"),
        part("webhooks", "worker --webhooks"),
    ]


def run_all(settings: Settings) -> int:
    """Keep one of each running until asked to stop. The exit status."""
    terminal = Terminal(sys.stdout)
    try:
        with Supervisor(terminal.mention) as supervisor:
            supervisor.start(*worker_parts(settings))
            supervisor.watch()
    except Interrupted:
        return 0
    return 0
