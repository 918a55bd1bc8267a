"""Each deadline of an upstream call ends it, in time, and says which one it was."""

import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import gevent
import pytest

from tests.integration.providers.conftest import Conversation, ScriptedUpstream, outgoing, read_all, target
from tollhouse.domain.errors import UpstreamRefused, UpstreamTimeout
from tollhouse.domain.routes import Timeouts
from tollhouse.providers.upstreams import HttpUpstreams

Upstream = Callable[..., ScriptedUpstream]
Client = Callable[..., HttpUpstreams]

HEADERS = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n"


@contextmanager
def lasting(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert seconds - 0.02 <= time.monotonic() - began <= seconds + 0.5


@pytest.mark.skipif(sys.platform != "linux", reason="needs how Linux treats a full backlog")
def test_a_host_that_takes_no_connection_is_left_at_the_connect_deadline(upstreams: Client) -> None:
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filler in (first, second):  # Past its backlog, Linux lets a listener drop what knocks.
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        time.sleep(0.05)
        client = upstreams(connect_seconds=0.2)
        with lasting(0.2), pytest.raises(UpstreamRefused, match=r"within 0\.2 s \(connect deadline\)"):
            client.open(target(f"http://127.0.0.1:{listener.getsockname()[1]}"), outgoing())


def test_the_connect_deadline_includes_the_tls_handshake(upstream: Upstream, upstreams: Client) -> None:
    url = upstream(lambda client: client.pause(5)).url.replace("http:", "https:")
    with lasting(0.2), pytest.raises(UpstreamRefused, match="connect deadline"):
        upstreams(connect_seconds=0.2).open(target(url), outgoing())


def test_the_connect_deadline_includes_the_name(upstreams: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gevent.socket.getaddrinfo", lambda *_args, **_kw: gevent.sleep(5))
    with lasting(0.2), pytest.raises(UpstreamRefused, match="connect deadline"):
        upstreams(connect_seconds=0.2).open(target("http://slow.example"), outgoing())


def test_a_call_waits_for_a_free_connection_as_long_as_for_a_new_one(upstream: Upstream, upstreams: Client) -> None:
    def script(client: Conversation) -> None:
        client.request()
        client.send(HEADERS)
        client.pause(5)

    host = target(upstream(script).url)
    client = upstreams(upstream_connections=1, connect_seconds=0.2)
    held = client.open(host, outgoing())
    with (
        lasting(0.2),
        pytest.raises(UpstreamRefused, match=r"All 1 connections .* raise TOLLHOUSE_UPSTREAM_CONNECT"),
    ):
        client.open(host, outgoing())
    held.close()
    client.open(host, outgoing()).close()


def test_silence_is_ended_at_the_first_byte_deadline(upstream: Upstream, upstreams: Client) -> None:
    host = target(upstream(lambda client: (client.request(), client.pause(5))).url)
    with lasting(0.2), pytest.raises(UpstreamTimeout, match=r"0\.2 s \(first-byte deadline\)") as failure:
        upstreams(first_byte_seconds=0.2).open(host, outgoing())
    assert failure.value.billable


def test_headers_that_drip_do_not_stretch_the_first_byte_deadline(upstream: Upstream, upstreams: Client) -> None:
    def script(client: Conversation) -> None:
        client.request()
        for byte in HEADERS * 10:
            client.send(bytes([byte]))
            client.pause(0.05)

    with lasting(0.3), pytest.raises(UpstreamTimeout, match="first-byte deadline"):
        upstreams(first_byte_seconds=0.3).open(target(upstream(script).url), outgoing())


def test_the_first_byte_deadline_waits_for_a_byte_of_the_body(upstream: Upstream, upstreams: Client) -> None:
    def script(client: Conversation) -> None:
        client.request()
        client.send(HEADERS)
        client.pause(5)

    exchange = upstreams(first_byte_seconds=0.3, idle_seconds=0.05).open(target(upstream(script).url), outgoing())
    with lasting(0.3), pytest.raises(UpstreamTimeout, match="first-byte deadline"):
        exchange.read()


def test_a_host_that_does_not_read_the_body_is_left_at_the_first_byte_deadline(
    upstream: Upstream, upstreams: Client
) -> None:
    host = target(upstream(lambda client: client.pause(5)).url)
    with lasting(0.3), pytest.raises(UpstreamTimeout, match="first-byte deadline"):
        upstreams(first_byte_seconds=0.3).open(host, outgoing(b"x" * (32 << 20)))


def test_silence_in_the_middle_is_ended_at_the_idle_deadline(upstream: Upstream, upstreams: Client) -> None:
    def script(client: Conversation) -> None:
        client.request()
        client.send(HEADERS + b"some")
        client.pause(5)

    exchange = upstreams(idle_seconds=0.2).open(target(upstream(script).url), outgoing())
    assert exchange.read() == b"some"
    with lasting(0.2), pytest.raises(UpstreamTimeout, match=r"0\.2 s .*\(idle deadline\)"):
        exchange.read()


def test_framing_without_content_is_silence(upstream: Upstream, upstreams: Client) -> None:
    def script(client: Conversation) -> None:
        client.request()
        client.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0")
        while not client.upstream.over.is_set():
            client.send(b"0")
            client.pause(0.05)

    exchange = upstreams(idle_seconds=0.3).open(target(upstream(script).url), outgoing())
    assert exchange.read() == b"a"
    with lasting(0.3), pytest.raises(UpstreamTimeout, match="idle deadline"):
        exchange.read()


def test_a_host_that_drips_for_ever_is_ended_at_the_total_deadline(upstream: Upstream, upstreams: Client) -> None:
    def script(client: Conversation) -> None:
        client.request()
        client.send(HEADERS)
        for _ in range(100):
            client.send(b"a")
            client.pause(0.05)

    client = upstreams(total_seconds=0.4, idle_seconds=0.2)
    with lasting(0.4), pytest.raises(UpstreamTimeout, match=r"within 0\.4 s \(total deadline\)"):
        read_all(client.open(target(upstream(script).url), outgoing()))


def test_a_models_own_deadlines_go_before_those_of_the_settings(upstream: Upstream, upstreams: Client) -> None:
    host = target(upstream(lambda client: (client.request(), client.pause(5))).url)
    own = replace(host, timeouts=Timeouts(first_byte=0.2))
    with lasting(0.2), pytest.raises(UpstreamTimeout, match=r"0\.2 s \(first-byte deadline\)"):
        upstreams(first_byte_seconds=3).open(own, outgoing())
    tls = replace(host, host=replace(host.host, base_url=host.host.base_url.replace("http:", "https:")))
    with lasting(0.2), pytest.raises(UpstreamRefused, match=r"0\.2 s \(connect deadline\)"):
        upstreams(connect_seconds=3).open(replace(tls, timeouts=Timeouts(connect=0.2)), outgoing())
