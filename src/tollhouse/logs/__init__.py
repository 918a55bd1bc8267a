"""Logging: one line per event, Logstash's JSON, or readable text on a terminal.

All lines of a process, those of libraries too, leave through one place that masks what looks like a
secret and keeps each event on one line, whatever users or models wrote. Logging never raises: a line
that cannot be written is dropped and counted.
"""

import atexit
import logging
import sys
import threading
from functools import lru_cache
from logging import DEBUG, ERROR, INFO, WARNING
from types import TracebackType
from typing import Any, Protocol, TextIO

from tollhouse import metrics
from tollhouse.logs import lines
from tollhouse.logs.masking import mask
from tollhouse.logs.stream import StreamSink
from tollhouse.settings import Settings

__all__ = ["DEBUG", "ERROR", "INFO", "WARNING", "configure", "event", "flush", "set_request_id"]

_LOGGER = logging.getLogger("tollhouse")

OWN_HANDLERS = ("gunicorn.access", "gunicorn.error", "rq.job", "rq.worker")
"""Loggers to which their libraries give handlers of their own."""

QUIET = ("alembic", "gunicorn.error", "httpx2", "rq", "rq.job", "rq.worker", "sqlalchemy", "urllib3")
"""Libraries that say more at INFO than an operator wants to read: warnings and errors only."""


def event(name: str, /, level: int = INFO, **fields: Any) -> None:
    """Write the event `name` with `fields`. A field that is an exception brings its stack trace.

    Never give it a key, a prompt or an answer: masking catches what looks like a secret, not what is one.
    """
    if _LOGGER.isEnabledFor(level):
        record = logging.LogRecord("tollhouse", level, "", 0, name, None, None)
        record.fields = fields
        _LOGGER.handle(record)


def set_request_id(request_id: str | None) -> None:
    """Put `request_id` into each line that this thread or greenlet writes from now on; None: into none."""
    lines.request_id.set(request_id)


def flush(seconds: float = 2.0) -> None:
    """Write what waits for its file or its reader, within this time: before a process ends."""
    for sink in _Sinks.all:
        sink.flush(seconds)


def configure(settings: Settings, process: str) -> None:
    """Send all logging of this process to standard output, and that of the process "cli" to standard error.

    `process` is its name in each line, such as "web". A "cli" says warnings and errors only, unless another
    level than INFO is set. Idempotent, and to be called again where a library has since set up loggers.
    """
    cli = process == "cli"
    stream = sys.stderr if cli else sys.stdout
    readable = settings.log_format == "text" or (settings.log_format == "auto" and _is_terminal(stream))
    logging.root.handlers[:] = _handlers(settings, process, stream, readable=readable)
    logging.root.setLevel("WARNING" if cli and settings.log_level == "INFO" else settings.log_level)
    for name in OWN_HANDLERS:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))
    # What no line shows need not be found out for each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.captureWarnings(True)
    atexit.unregister(flush)
    atexit.register(flush)
    if not cli:
        sys.excepthook = _uncaught
        threading.excepthook = _uncaught_in_thread


class Sink(Protocol):
    """Where lines go."""

    def put(self, line: bytes) -> None:
        """Take a line with its end, and hold up nobody. May raise: then the line is dropped."""

    def flush(self, seconds: float) -> None:
        """Write what waits, within this time."""


class _Sinks:
    """Of this process."""

    output: StreamSink | None = None
    all: tuple[Sink, ...] = ()


class LineHandler(logging.Handler):
    """Words each record once and puts the line into each sink."""

    def __init__(self, form: lines.Form, *sinks: Sink) -> None:
        super().__init__()
        self._form = form
        self.sinks = sinks

    def handle(self, record: logging.LogRecord) -> bool:
        # Without the lock of other handlers: a line is one write, which needs none.
        kept = bool(self.filter(record))
        if kept:
            self.emit(record)
        return kept

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = mask(self._form.line(record))
        except Exception:  # noqa: BLE001 - whatever fails here, the caller has better things to do
            metrics.LOG_LINES_DROPPED.inc()
            return
        for sink in self.sinks:
            try:
                sink.put(line)
            except Exception:  # noqa: BLE001 - the same
                metrics.LOG_LINES_DROPPED.inc()


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        event("uncaught", level=ERROR, error=error)


def _uncaught_in_thread(given: threading.ExceptHookArgs) -> None:
    if given.exc_value is not None and not isinstance(given.exc_value, SystemExit):
        event("uncaught", level=ERROR, error=given.exc_value, thread=given.thread and given.thread.name)


def _handlers(settings: Settings, process: str, stream: TextIO | None, *, readable: bool) -> list[logging.Handler]:
    """JSON is worded once, however many want it."""
    if _Sinks.output is None or _Sinks.output.stream is not stream:
        _Sinks.output = StreamSink(stream)
    output = _Sinks.output
    file = [] if process == "cli" or not settings.log_file else [_file_of(settings)]
    _Sinks.all = (output, *file)
    if not readable:
        return [LineHandler(lines.JSONLines(process), output, *file)]
    handlers: list[logging.Handler] = [LineHandler(lines.TextLines(process), output)]
    return handlers + [LineHandler(lines.JSONLines(process), one) for one in file]


@lru_cache(1)
def _file(path: str, most_bytes: int, kept: int) -> Sink:
    from tollhouse.logs.file import FileSink

    return FileSink(path, most_bytes, kept)


def _file_of(settings: Settings) -> Sink:
    return _file(settings.log_file, settings.log_file_bytes, settings.log_files)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False
