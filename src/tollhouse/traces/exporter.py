"""Traces on their way to the collector: they wait in memory, within a bound, and never hold up a call."""

import os
import threading
import time
from collections import deque
from typing import Protocol

from tollhouse import logs, metrics
from tollhouse.domain.trace import Trace
from tollhouse.traces.otlp import Encoder, rejected, spans_of

MOST_WAITING = 2048
"""Traces; what comes beyond is dropped and counted."""
AT_ONCE = 256
"""Traces of one request, of some 400 kB."""
PAUSE_SECONDS = 0.5
"""Between looks at what waits: to be woken for each trace would cost each call more than its spans do."""


class Send(Protocol):
    """Hands over one export request, and returns what is answered. Raises whatever goes wrong."""

    def __call__(self, body: bytes) -> bytes: ...


class Exporter:
    """One thread a process, begun with its first trace, after any fork.

    What waits is bytes, written when a call ends: as objects, the garbage collector would look through all of them
    again and again.
    """

    def __init__(self, encoder: Encoder, send: Send, *, most: int = MOST_WAITING) -> None:
        self._encoder = encoder
        self._send = send
        self._most = most
        self._waiting: deque[tuple[bytes, int]] = deque()
        """The spans of a trace, and how many they are."""
        self._thread: threading.Thread | None = None
        self._sending = threading.Lock()
        self._well = True
        os.register_at_fork(after_in_child=self._forget)

    def submit(self, trace: Trace) -> None:
        """Take a trace that has ended. Never waits, never raises."""
        count = len(trace)
        try:
            if len(self._waiting) >= self._most:
                raise BufferError
            self._waiting.append((spans_of(trace), count))
        except Exception:  # noqa: BLE001 - a call does not fail for what is told of it
            metrics.SPANS_DROPPED.inc(count)
            return
        if self._thread is None:
            self._start()

    def flush(self, seconds: float) -> None:
        """Send what waits, within this time."""
        until = time.monotonic() + seconds
        while (self._waiting or self._sending.locked()) and time.monotonic() < until:
            if self._thread is None:
                self._start()
            time.sleep(0.01)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            with self._sending:
                while self._waiting:
                    self._export([self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))])
            time.sleep(PAUSE_SECONDS)

    def _export(self, traces: list[tuple[bytes, int]]) -> None:
        count = sum([spans for _, spans in traces])
        refused, why = 0, ""
        try:
            answer = self._send(self._encoder.request([written for written, _ in traces]))
            refused = min(count, rejected(answer))
        except Exception as error:  # noqa: BLE001 - whatever it is, calls go on, and so do later traces
            refused, why = count, f"{type(error).__name__}: {error}"
        metrics.SPANS_SENT.inc(count - refused)
        metrics.SPANS_DROPPED.inc(refused)
        if refused and self._well:
            why = why or f"the collector has rejected {refused} of {count} spans"
            logs.event("traces_not_taken", level=logs.WARNING, error=why)
        elif not refused and not self._well:
            logs.event("traces_taken")
        self._well = not refused

    def _forget(self) -> None:
        """In a child: the parent sends what it has."""
        self._waiting.clear()
        self._thread = None
        self._sending = threading.Lock()
