"""How a log record becomes a line."""

import logging
import os
import re
import socket
import time
import traceback
from contextvars import ContextVar
from typing import Any, Protocol

import orjson

LONGEST_TEXT = 2000
"""Characters of one field. Nearly every line then has less than 4096 bytes, which a pipe takes whole."""
LONGEST_STACK = 3000

# Controls, line and paragraph separators, and what reverses the writing direction, in UTF-8.
_UNPRINTABLE = re.compile(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]")
_WORD = re.compile(r"[\w.,:;/@+*%()\[\]-]+")

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


class Form(Protocol):
    def line(self, record: logging.LogRecord) -> bytes:
        """The record in UTF-8, with its line end. May raise whatever a strange record raises."""


class JSONLines:
    """Logstash's event, version 1."""

    def __init__(self, process: str) -> None:
        self._process = process
        self._host = socket.gethostname()
        self._second = -1
        self._clock = ""

    def line(self, record: logging.LogRecord) -> bytes:
        message, fields = _content(record)
        event: dict[str, Any] = {
            "@timestamp": self._timestamp(record.created),
            "@version": "1",
            "message": message,
            "level": record.levelname,
            "logger_name": record.name,
            "host": self._host,
            "process": self._process,
            "pid": os.getpid(),
        }
        if event.keys().isdisjoint(fields):
            event |= fields
        else:
            event |= {f"{name}_" if name in event else name: value for name, value in fields.items()}
        line = _dump(event)
        return (line if line.isascii() and b"\x7f" not in line else _printable(line)) + b"\n"

    def _timestamp(self, created: float) -> str:
        second, milliseconds = divmod(int(created * 1000), 1000)
        if second != self._second:
            self._second, self._clock = second, time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return f"{self._clock}{milliseconds:03d}Z"


class TextLines:
    """For people: the local time, the level, the event with its fields, and a stack trace on lines below."""

    def __init__(self, process: str) -> None:
        self._process = process

    def line(self, record: logging.LogRecord) -> bytes:
        message, fields = _content(record)
        stack = fields.pop("stack_trace", "")
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        words = [f"{clock} {record.levelname:<7} {self._process:<9}".encode(), _quote_unless_word(message)]
        for name, value in fields.items():
            words.append(f"{name}=".encode() + _quote_unless_word(value))
        rows = [b" ".join(words)]
        rows += [b"    " + row.encode("utf-8", "backslashreplace") for row in stack.splitlines()]
        return b"".join(_printable(row) + b"\n" for row in rows)


def _content(record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
    """What to say, and with which fields: those of an event, or what a library's record carries."""
    fields: dict[str, Any] = {}
    if (id := request_id.get()) is not None:
        fields["request_id"] = id
    given: dict[str, Any] | None = getattr(record, "fields", None)
    if given is None:
        if record.exc_info and record.exc_info[1]:
            _put_exception(fields, "error", record.exc_info[1])
        return _shorten(_message(record), LONGEST_TEXT), fields
    fields |= given
    for name, value in given.items():
        if isinstance(value, str):
            if len(value) > LONGEST_TEXT:
                fields[name] = _shorten(value, LONGEST_TEXT)
        elif isinstance(value, BaseException):
            _put_exception(fields, name, value)
    return record.msg, fields


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a library's message may not fit its arguments, and its __str__ may fail
        return f"{record.msg} {record.args}"


def _put_exception(fields: dict[str, Any], name: str, error: BaseException) -> None:
    fields[name] = _shorten("".join(traceback.format_exception_only(error)).strip(), LONGEST_TEXT)
    if error.__traceback__:
        fields["stack_trace"] = _shorten("".join(traceback.format_exception(error)), LONGEST_STACK)


def _shorten(text: str, longest: int) -> str:
    """`text` without its middle: a stack trace says most at its end, and something at its beginning."""
    if len(text) <= longest:
        return text
    return f"{text[: longest // 4]} ... {text[-(longest * 3 // 4) :]}"


def _dump(value: Any) -> bytes:
    try:
        # Dataclasses pass as text: their repr leaves out what is secret.
        return orjson.dumps(value, default=_text, option=orjson.OPT_PASSTHROUGH_DATACLASS)
    except TypeError:
        # Lone surrogates, integers beyond 64 bits, deep nesting: what is wrong is written as text.
        if isinstance(value, dict):
            return b"{" + b",".join(_dump(_text(name)) + b":" + _dump(one) for name, one in value.items()) + b"}"
        return orjson.dumps(_text(value).encode("utf-8", "backslashreplace").decode())


def _text(value: object) -> str:
    try:
        return _shorten(str(value), LONGEST_TEXT)
    except Exception:  # noqa: BLE001 - what an object says of itself may go wrong in any way
        return f"<{type(value).__name__}>"


def _quote_unless_word(value: Any) -> bytes:
    if isinstance(value, str) and _WORD.fullmatch(value):
        return value.encode("utf-8", "backslashreplace")
    return _dump(value)


def _printable(line: bytes) -> bytes:
    return _UNPRINTABLE.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), line)
