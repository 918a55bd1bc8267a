"""Connections that break, and answers that are none."""

import gzip
import socket
import time
from collections.abc import Callable
from dataclasses import replace

import gevent
import pytest

from tests.integration.providers.conftest import (
    CANARY,
    Conversation,
    ScriptedUpstream,
    outgoing,
    read_all,
    target,
)
from tollhouse.domain.errors import UpstreamError, UpstreamGone, UpstreamInvalid, UpstreamRefused
from tollhouse.domain.retries import again
from tollhouse.providers import http
from tollhouse.providers.upstreams import HttpUpstreams

Upstream = Callable[..., ScriptedUpstream]
Client = Callable[..., HttpUpstreams]

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def says(data: bytes, then: Callable[[Conversation], None] = Conversation.close) -> Callable[[Conversation], None]:
    def script(client: Conversation) -> None:
        client.request()
        client.send(data)
        client.pause(0.05)
        then(client)

    return script


@pytest.mark.parametrize(
    "broken",
    [
        (b"", Conversation.close, UpstreamGone, "without an answer"),
        (b"", Conversation.reset, UpstreamGone, "broke"),
        (b"HTTP/1.1 200 OK\r\ncont", Conversation.close, UpstreamGone, "in the middle"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", Conversation.close, UpstreamGone, "in the middle"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
            Conversation.close,
            UpstreamGone,
            "in the middle",
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", Conversation.reset, UpstreamGone, "broke"),
        (CHUNKED + b"5\r\nhello\r\n", Conversation.close, UpstreamGone, "in the middle"),
        (CHUNKED + b"5\r\nhel", Conversation.close, UpstreamGone, "in the middle"),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", Conversation.close, UpstreamGone, "in the middle"),
        (CHUNKED + b"zz\r\nhello\r\n", Conversation.close, UpstreamInvalid, "not HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Conversation.close, UpstreamInvalid, "not HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x28", Conversation.close, UpstreamInvalid, "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", Conversation.close, UpstreamInvalid, "not HTTP"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            Conversation.close,
            UpstreamInvalid,
            "not HTTP",
        ),
        (
            b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            Conversation.close,
            UpstreamInvalid,
            "not HTTP",
        ),
        (
            b"HTTP/1.1 200 OK\r\nx: " + b"x" * 200_000,
            Conversation.close,
            UpstreamInvalid,
            "longer than 65536",
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 9000, Conversation.close, UpstreamInvalid, "longer than 65536"),
    ],
)
def test_a_broken_answer_is_an_error_and_never_a_clean_end(
    broken: tuple[bytes, Callable[[Conversation], None], type[UpstreamError], str],
    upstream: Upstream,
    upstreams: Client,
) -> None:
    data, then, kind, words = broken
    first = says(data, then)
    server = upstream(lambda client: first(client) if client.number == 1 else (client.request(), client.answer()))
    client = upstreams(upstream_connections=1, connect_seconds=0.5)
    with pytest.raises(kind, match=words) as failure:
        read_all(client.open(target(server.url), outgoing()))
    assert failure.value.billable
    assert len(server.requests) == 1
    assert read_all(client.open(target(server.url), outgoing())) == b"{}", "its place must be free again"


def test_what_came_before_the_break_is_read_before_the_error(upstream: Upstream, upstreams: Client) -> None:
    exchange = upstreams().open(target(upstream(says(CHUNKED + b"5\r\nhello\r\n")).url), outgoing())
    assert exchange.read() == b"hello"
    for _ in range(2):
        with pytest.raises(UpstreamGone):
            exchange.read()


@pytest.mark.parametrize("header", [b"content-encoding: gzip", b"content-encoding: br", b"Content-Encoding: GZIP"])
def test_a_compressed_answer_is_refused(header: bytes, upstream: Upstream, upstreams: Client) -> None:
    bomb = gzip.compress(b"0" * 10_000_000)
    server = upstream(lambda client: (client.request(), client.answer(bomb, header + b"\r\n")))
    with pytest.raises(UpstreamInvalid, match="compressed"):
        upstreams().open(target(server.url), outgoing())
    assert b"accept-encoding: identity" in server.requests[0]


def test_a_compressed_transfer_is_refused(upstream: Upstream, upstreams: Client) -> None:
    server = upstream(says(b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"))
    with pytest.raises(UpstreamInvalid, match="compressed"):
        upstreams().open(target(server.url), outgoing())


def test_a_port_that_nobody_listens_on_refuses_and_nothing_is_billed(upstreams: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = upstreams(upstream_connections=1, connect_seconds=0.5)
    for _ in range(3):
        with pytest.raises(UpstreamRefused, match=f"No connection to 127.0.0.1:{port} .*check that") as refusal:
            client.open(target(f"http://127.0.0.1:{port}"), outgoing())
        assert not refusal.value.billable
        assert again(refusal.value).elsewhere


def test_an_early_refusal_of_a_long_body_is_read(upstream: Upstream, upstreams: Client) -> None:
    def script(client: Conversation) -> None:
        client._connection.recv(1000)
        client.answer(b"too long", b"connection: close\r\n", b"413 Too Large")
        client._connection.shutdown(socket.SHUT_WR)
        while client._connection.recv(1 << 20):
            pass

    exchange = upstreams().open(target(upstream(script).url), outgoing(b"x" * (8 << 20)))
    assert (exchange.status, read_all(exchange)) == (413, b"too long")


def test_closing_an_exchange_ends_a_read_that_waits(upstream: Upstream, upstreams: Client) -> None:
    def script(client: Conversation) -> None:
        client.request()
        client.send(CHUNKED)
        client.pause(5)

    exchange = upstreams().open(target(upstream(script).url), outgoing())
    gevent.spawn_later(0.05, exchange.close)
    with pytest.raises(UpstreamGone):
        exchange.read()


class TestAConnectionThatHadBeenUsed:
    def test_is_not_used_again_when_the_host_has_closed_it(
        self, upstream: Upstream, upstreams: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http, "STALE_SECONDS", 0.0)  # Nothing may be sent on it: it would not be repeated.
        server = upstream(lambda client: (client.request(), client.answer()))
        client = upstreams()
        for _ in range(2):
            assert read_all(client.open(target(server.url), outgoing())) == b"{}"
            time.sleep(0.05)
        assert (server.connections, len(server.requests)) == (2, 2)

    @pytest.mark.parametrize("end", [Conversation.close, Conversation.reset])
    def test_and_closes_as_the_request_arrives_is_replaced_once(
        self, end: Callable[[Conversation], None], upstream: Upstream, upstreams: Client
    ) -> None:
        def script(client: Conversation) -> None:
            client.request()
            client.answer(b"%d" % client.number)
            client.request()
            end(client)

        server = upstream(script)
        client = upstreams(upstream_connections=1, connect_seconds=0.5)
        assert read_all(client.open(target(server.url), outgoing())) == b"1"
        assert read_all(client.open(target(server.url), outgoing())) == b"2"
        assert server.connections == 2

    def test_is_not_replaced_by_another_of_its_age(self, upstream: Upstream, upstreams: Client) -> None:
        def script(client: Conversation) -> None:
            client.request()
            client.pause(0.05)
            client.answer(b"%d" % client.number)
            client.request()

        server, client = upstream(script), upstreams()
        calls = [gevent.spawn(lambda: read_all(client.open(target(server.url), outgoing()))) for _ in range(2)]
        gevent.joinall(calls, raise_error=True)
        assert read_all(client.open(target(server.url), outgoing())) == b"3"

    def test_and_whose_replacement_closes_too_is_given_up(self, upstream: Upstream, upstreams: Client) -> None:
        def script(client: Conversation) -> None:
            client.request()
            if client.number == 1:
                client.answer()
                client.request()

        server = upstream(script)
        client = upstreams()
        read_all(client.open(target(server.url), outgoing()))
        with pytest.raises(UpstreamGone, match="without an answer"):
            client.open(target(server.url), outgoing())
        assert (server.connections, len(server.requests)) == (2, 3)

    @pytest.mark.parametrize("before_the_end", [b"", b"H"])
    def test_is_not_replaced_once_the_host_may_have_worked(
        self, before_the_end: bytes, upstream: Upstream, upstreams: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def script(client: Conversation) -> None:
            client.request()
            client.answer()
            client.request()
            client.send(before_the_end)
            client.pause(0.0 if before_the_end else 0.3)

        monkeypatch.setattr(http, "STALE_SECONDS", 1.0 if before_the_end else 0.1)
        server = upstream(script)
        client = upstreams()
        read_all(client.open(target(server.url), outgoing()))
        with pytest.raises(UpstreamGone):
            client.open(target(server.url), outgoing())
        assert (server.connections, len(server.requests)) == (1, 2)


@pytest.mark.parametrize(
    "data",
    [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", CHUNKED + b"1\r\na\r\n"],
)
def test_no_error_shows_the_credential(data: bytes, upstream: Upstream, upstreams: Client) -> None:
    client, host = upstreams(), target(upstream(says(data)).url)
    with pytest.raises(UpstreamError) as of_call:
        read_all(client.open(host, outgoing()))
    with pytest.raises(UpstreamError) as of_list:
        client.list_models(host.host)
    for error in (of_call.value, of_list.value):
        shown = [error, str(error), error.__cause__, error.__context__, vars(error)]
        assert CANARY not in "".join(map(repr, shown))


def test_nothing_that_is_printed_shows_the_credential(upstream: Upstream, upstreams: Client) -> None:
    client, host = upstreams(), target(upstream(says(CHUNKED)).url)
    exchange = client.open(host, outgoing())
    assert CANARY not in repr(exchange) + repr(host) + repr(client) + repr(vars(client))
    exchange.close()


@pytest.mark.parametrize("credential", ["sk-canary\r\nx-evil: 1", "sk-canary\x00", "sk-canary-ü"])
def test_a_credential_that_no_header_carries_is_refused_unseen(credential: str, upstreams: Client) -> None:
    host = target("http://127.0.0.1:1")
    bad = replace(host, host=replace(host.host, credential=credential))
    with pytest.raises(UpstreamRefused, match="The key of provider acme has characters") as failure:
        upstreams().open(bad, outgoing())
    assert "canary" not in repr(failure.value)
