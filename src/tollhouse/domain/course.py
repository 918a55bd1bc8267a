"""How one call goes in time."""

import time

from tollhouse.domain.trace import Trace


class Course:
    """When a call was read, how long it waited for others since, in seconds, and its trace, if it has one.

    What is left of its time is what the gateway adds to it.
    """

    __slots__ = ("began", "client", "trace", "upstream")

    def __init__(self, trace: Trace | None = None) -> None:
        self.began = time.monotonic()
        self.upstream = 0.0
        """Waited for hosts, or for a pause before one is asked again."""
        self.client = 0.0
        """Waited for the caller to take what was ready."""
        self.trace = trace

    def stage(self, name: str) -> None:
        """The next stage begins."""
        if self.trace is not None:
            self.trace.stage(name)

    @property
    def overhead(self) -> float:
        """Seconds up to now that were waited for nobody."""
        return max(0.0, time.monotonic() - self.began - self.upstream - self.client)
