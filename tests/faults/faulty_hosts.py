"""Hosts that fail, each in its own way, and what becomes of calls there: docs/reference/provider-faults.md."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.integration.providers.conftest import Conversation

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
Host = Callable[[Conversation], None]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def word(text: bytes = b"w ") -> bytes:
    return (
        b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % text
    )


def answers(status: bytes, headers: bytes = b"") -> Host:
    def host(client: Conversation) -> None:
        while client.request():
            client.answer(b'{"error":{"message":"Not now."}}', b"content-type: application/json\r\n" + headers, status)

    return host


def hangs(client: Conversation) -> None:
    client.request()
    client.pause(5)


def resets(client: Conversation) -> None:
    client.request()
    client.reset()


def resets_midway(client: Conversation) -> None:
    client.request()
    client.send(HEAD + chunk(word()) + chunk(word()))
    client.pause(0.1)
    client.reset()


def falls_silent(client: Conversation) -> None:
    client.request()
    client.send(HEAD + chunk(word()))
    client.pause(5)


def never_ends(client: Conversation) -> None:
    client.request()
    client.send(HEAD)
    for _ in range(200):
        client.send(chunk(word()))
        client.pause(0.05)


def drips(client: Conversation) -> None:
    client.request()
    client.send(HEAD)
    for byte in word() * 20:
        client.send(chunk(bytes([byte])))
        client.pause(0.1)


def garbage(client: Conversation) -> None:
    client.request()
    client.send(b"\x00\xff\xfe this is no HTTP \r\n\r\n" * 3)
    client.pause(0.2)


def a_page(client: Conversation) -> None:
    client.request()
    client.answer(b"<html>Welcome!</html>", b"content-type: text/html\r\n")


def half_a_character(client: Conversation) -> None:
    client.request()
    client.send(HEAD + chunk(word()) + chunk(word(b"\xe2\x82")))
    client.pause(5)


@dataclass(frozen=True)
class Fault:
    """`host` is None where nobody listens. The rest is a row of the page, in its words."""

    name: str
    host: Host | None
    sees: str
    attempts: int
    billed: str
    breaker: str


NOTHING = "nothing"
INPUT = "its input's bound, estimated"
SEEN = "what was seen, estimated"
TWICE = "its input's bound, estimated, for each attempt"
COUNTS, OPENS, CLOSED = "counts", "counts, opens", "stays closed"

FAULTS = (
    Fault("nobody listens", None, "502 upstream_refused", 2, NOTHING, OPENS),
    Fault("it hangs", hangs, "504 upstream_timeout", 1, INPUT, COUNTS),
    Fault("it resets the connection", resets, "502 upstream_gone", 2, TWICE, OPENS),
    Fault("it resets in the middle of a stream", resets_midway, "200, then upstream_gone", 1, SEEN, CLOSED),
    Fault("it falls silent in the middle of a stream", falls_silent, "200, then upstream_timeout", 1, SEEN, CLOSED),
    Fault("its stream never ends", never_ends, "200, then upstream_timeout", 1, SEEN, CLOSED),
    Fault("it drips, byte by byte", drips, "504 upstream_timeout", 1, INPUT, COUNTS),
    Fault("429 with retry-after", answers(b"429 Slow", b"retry-after: 1\r\n"), "429, retry-after", 2, NOTHING, CLOSED),
    Fault("429 without", answers(b"429 Slow"), "429", 2, NOTHING, CLOSED),
    Fault("500", answers(b"500 Oops"), "500", 2, NOTHING, OPENS),
    Fault("529", answers(b"529 Overloaded"), "529", 2, NOTHING, OPENS),
    Fault("400", answers(b"400 Bad"), "400", 1, NOTHING, CLOSED),
    Fault("401", answers(b"401 No"), "502 upstream_error", 1, NOTHING, CLOSED),
    Fault("garbage", garbage, "502 upstream_invalid", 1, INPUT, COUNTS),
    Fault("a page of HTML", a_page, "502 upstream_invalid", 1, INPUT, COUNTS),
    Fault("half a character of UTF-8", half_a_character, "200, then upstream_invalid", 1, SEEN, CLOSED),
)


def page_row(fault: Fault) -> str:
    """The fault as the page has it."""
    return f"| {fault.name} | {fault.sees} | {fault.attempts} | {fault.billed} | {fault.breaker} |"
