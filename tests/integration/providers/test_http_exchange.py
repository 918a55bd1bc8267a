"""An answer as it is read, and the connections that answers come over."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import gevent
import pytest

from tests.integration.providers.conftest import (
    BODY,
    CANARY,
    Conversation,
    ScriptedUpstream,
    outgoing,
    read_all,
    target,
)
from tollhouse.domain.call import HOP_HEADER
from tollhouse.domain.errors import (
    InvalidField,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamRejected,
    UpstreamTimeout,
)
from tollhouse.providers import connections
from tollhouse.providers import upstreams as upstreams_module
from tollhouse.providers.upstreams import HttpUpstreams

Upstream = Callable[..., ScriptedUpstream]
Client = Callable[..., HttpUpstreams]

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def answers(client: Conversation) -> None:
    """Answer every request on the connection with its number."""
    while client.request():
        client.answer(b"%d" % client.number)


def test_each_chunk_is_read_as_it_comes(upstream: Upstream, upstreams: Client) -> None:
    read = threading.Semaphore(0)

    def script(client: Conversation) -> None:
        client.request()
        client.send(CHUNKED)
        for chunk in (b"one", b"two"):
            client.send(b"3\r\n" + chunk + b"\r\n")
            assert read.acquire(timeout=2)
        client.send(b"0\r\n\r\n")

    exchange = upstreams().open(target(upstream(script).url), outgoing())
    for chunk in (b"one", b"two"):
        assert exchange.read() == chunk
        read.release()
    assert exchange.read() == b""
    assert exchange.read() == b""


def test_the_status_is_known_before_the_body_comes(upstream: Upstream, upstreams: Client) -> None:
    def script(client: Conversation) -> None:
        client.request()
        client.send(b"HTTP/1.1 529 Overloaded\r\nRetry-After: 7\r\nX-Twice: a\r\nx-twice: b\r\n")
        client.send(b"content-length: 1\r\n\r\n")
        client.pause(5)

    exchange = upstreams().open(target(upstream(script).url), outgoing())
    assert exchange.status == 529
    assert exchange.headers["retry-after"] == "7"
    assert exchange.headers["x-twice"] == "a, b"
    exchange.close()


def test_what_a_caller_may_see_of_an_answer_is_the_hosts_id_for_it(upstream: Upstream, upstreams: Client) -> None:
    secrets = b"x-request-id: req_7\r\nset-cookie: a=b\r\nx-ratelimit-limit-requests: 9\r\n"
    server = upstream(lambda client: (client.request(), client.answer(headers=secrets)))
    exchange = upstreams().open(target(server.url), outgoing())
    assert exchange.returned == {"x-tollhouse-upstream-request-id": "req_7"}
    read_all(exchange)


def test_a_long_body_arrives_whole(upstream: Upstream, upstreams: Client) -> None:
    body = bytes(range(256)) * 20_000
    server = upstream(lambda client: (client.request(), client.answer(body)))
    assert read_all(upstreams().open(target(server.url), outgoing())) == body


def test_a_body_that_ends_with_the_connection_is_whole(upstream: Upstream, upstreams: Client) -> None:
    server = upstream(lambda client: (client.request(), client.send(b"HTTP/1.1 200 OK\r\n\r\nto the end")))
    client = upstreams()
    for _ in range(2):
        assert read_all(client.open(target(server.url), outgoing())) == b"to the end"
    assert server.connections == 2


def test_interim_answers_and_trailers_are_passed_over(upstream: Upstream, upstreams: Client) -> None:
    def script(client: Conversation) -> None:
        while client.request():
            client.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
            client.send(CHUNKED + b"2\r\nok\r\n0\r\nx-late: 1\r\nx-last: 2\r\n\r\n")

    server = upstream(script)
    client = upstreams()
    for _ in range(2):
        exchange = client.open(target(server.url), outgoing())
        assert "link" not in exchange.headers
        assert read_all(exchange) == b"ok"
        assert "x-late" not in exchange.headers
    assert server.connections == 1


def test_a_redirect_is_an_answer_and_is_not_followed(upstream: Upstream, upstreams: Client) -> None:
    server = upstream(answers)
    away = b"location: %b/elsewhere\r\n" % server.url.encode()
    redirect = upstream(lambda client: (client.request(), client.answer(b"", away, b"307 Temporary Redirect")))
    assert upstreams().open(target(redirect.url), outgoing()).status == 307
    assert server.requests == []


class TestConnections:
    def test_are_reused_after_an_answer_was_read_to_its_end(self, upstream: Upstream, upstreams: Client) -> None:
        server, client = upstream(answers), upstreams()
        for _ in range(3):
            assert read_all(client.open(target(server.url), outgoing())) == b"1"
        assert (server.connections, len(server.requests)) == (1, 3)

    def test_are_closed_when_an_answer_was_not_read_to_its_end(self, upstream: Upstream, upstreams: Client) -> None:
        closed = threading.Event()

        def script(client: Conversation) -> None:
            client.request()
            client.send(CHUNKED + b"1\r\na\r\n")
            if not client.request():
                closed.set()

        exchange = upstreams().open(target(upstream(script).url), outgoing())
        assert exchange.read() == b"a"
        exchange.close()
        exchange.close()
        assert closed.wait(1)

    def test_are_not_reused_when_they_have_been_idle_for_long(
        self, upstream: Upstream, upstreams: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connections, "KEEP_SECONDS", 0.05)
        server, client = upstream(answers), upstreams()
        for _ in range(2):
            read_all(client.open(target(server.url), outgoing()))
            time.sleep(0.1)
        assert server.connections == 2

    @pytest.mark.parametrize(
        "header", [b"connection: close", b"keep-alive: timeout=1", b"Keep-Alive: max=5, timeout = 0"]
    )
    def test_are_not_reused_when_the_host_will_close_them(
        self, header: bytes, upstream: Upstream, upstreams: Client
    ) -> None:
        server = upstream(lambda client: [client.answer(b"", header + b"\r\n") for _ in iter(client.request, b"")])
        client = upstreams()
        for _ in range(2):
            read_all(client.open(target(server.url), outgoing()))
        assert server.connections == 2

    @pytest.mark.parametrize("extra", [b"junk", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother"])
    def test_on_which_more_came_than_was_asked_for_are_not_reused(
        self, extra: bytes, upstream: Upstream, upstreams: Client
    ) -> None:
        def script(client: Conversation) -> None:
            while client.request():
                client.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nmine" + extra)

        server, client = upstream(script), upstreams()
        for _ in range(3):
            assert read_all(client.open(target(server.url), outgoing())) == b"mine"
        assert server.connections == 3

    def test_give_each_of_many_calls_its_own_answer(self, upstream: Upstream, upstreams: Client) -> None:
        def script(client: Conversation) -> None:
            while request := client.request():
                client.pause(0.01)
                client.answer(request.partition(b"\r\n\r\n")[2])

        server, client = upstream(script), upstreams(upstream_connections=8)

        def call(number: int) -> bool:
            body = b"%d" % number
            return read_all(client.open(target(server.url), outgoing(body))) == body

        calls = [gevent.spawn(call, number) for number in range(100)]
        gevent.joinall(calls, raise_error=True)
        assert all(one.value for one in calls)
        assert server.connections <= 8

    def test_of_a_host_that_has_moved_are_closed(self, upstream: Upstream, upstreams: Client) -> None:
        closed = threading.Event()
        old = upstream(lambda client: (answers(client), closed.set()))
        new, client = upstream(answers), upstreams()
        read_all(client.open(target(old.url), outgoing()))
        assert not closed.wait(0.05)
        read_all(client.open(target(new.url), outgoing()))
        assert closed.wait(1)

    def test_are_shared_by_providers_at_one_host_and_carry_each_its_own_key(
        self, upstream: Upstream, upstreams: Client
    ) -> None:
        server, client = upstream(answers), upstreams()
        first, second = target(server.url), target(server.url, host_id="prv_2")
        second = replace(second, host=replace(second.host, credential="sk-second"))
        for one in (first, second, first):
            read_all(client.open(one, outgoing()))
        assert server.connections == 1
        keys = [CANARY, "sk-second", CANARY]
        for request, key in zip(server.requests, keys, strict=True):
            assert f"authorization: Bearer {key}\r\n".encode() in request

    def test_belong_to_the_thread_that_opened_them(self, upstream: Upstream, upstreams: Client) -> None:
        server, client = upstream(answers), upstreams()
        read_all(client.open(target(server.url), outgoing()))
        seen: list[bytes] = []

        def elsewhere() -> None:
            seen.append(read_all(client.open(target(server.url), outgoing())))
            client.close()

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join(3)
        assert seen == [b"2"]


class TestARequest:
    def test_to_an_openai_host(self, upstream: Upstream, upstreams: Client) -> None:
        server = upstream(answers)
        call = outgoing(openai_organization="org-1", anthropic_beta="x", cookie="a=b", Authorization="Bearer theirs")
        read_all(upstreams().open(target(server.url + "/v1/"), call))
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        line, *headers = head.decode().split("\r\n")
        assert line == "POST /v1/chat/completions HTTP/1.1"
        assert body == BODY
        assert sorted(headers) == sorted(
            [
                f"host: 127.0.0.1:{server.port}",
                "accept: application/json",
                "accept-encoding: identity",
                next(line for line in headers if line.startswith("user-agent: tollhouse/")),
                f"{HOP_HEADER}: 1",
                f"authorization: Bearer {CANARY}",
                "content-type: application/json",
                f"content-length: {len(BODY)}",
            ]
        )

    @pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
    def test_to_an_anthropic_host(self, suffix: str, upstream: Upstream, upstreams: Client) -> None:
        server = upstream(answers)
        read_all(upstreams().open(target(server.url + suffix, "anthropic"), outgoing(spoken="messages")))
        assert server.requests[0].startswith(b"POST /v1/messages HTTP/1.1\r\n")
        assert f"\r\nx-api-key: {CANARY}\r\n".encode() in server.requests[0]
        assert b"\r\nanthropic-version: 2023-06-01\r\n" in server.requests[0]
        assert b"authorization" not in server.requests[0]

    def test_takes_on_the_callers_version_and_betas(self, upstream: Upstream, upstreams: Client) -> None:
        server = upstream(answers)
        call = outgoing(spoken="messages", Anthropic_Version="2099-01-01", anthropic_beta="one,two", x_other="no")
        read_all(upstreams().open(target(server.url, "anthropic"), call))
        assert b"\r\nanthropic-version: 2099-01-01\r\n" in server.requests[0]
        assert b"\r\nanthropic-beta: one,two\r\n" in server.requests[0]
        assert b"2023-06-01" not in server.requests[0]
        assert b"x-other" not in server.requests[0]

    @pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\x00", "\u2603"])
    def test_with_a_header_that_would_not_stay_one_line_is_not_sent(
        self, value: str, upstream: Upstream, upstreams: Client
    ) -> None:
        server = upstream(answers)
        with pytest.raises(InvalidField, match="anthropic-beta"):
            upstreams().open(target(server.url, "anthropic"), outgoing(spoken="messages", anthropic_beta=value))
        assert server.connections == 0

    def test_in_a_format_that_the_host_does_not_speak_is_not_sent(self, upstream: Upstream, upstreams: Client) -> None:
        server = upstream(answers)
        with pytest.raises(UpstreamRefused, match="does not speak the format messages"):
            upstreams().open(target(server.url), outgoing(spoken="messages"))
        assert server.connections == 0

    def test_to_a_host_of_an_unknown_preset_is_not_sent(self, upstreams: Client) -> None:
        client, host = upstreams(), target("http://127.0.0.1:1", "gone")
        with pytest.raises(UpstreamRefused, match="preset 'gone'"):
            client.open(host, outgoing())
        assert client.formats(host.host) == frozenset()
        assert client.vendor(host.host) is None

    def test_to_a_host_whose_stored_url_is_none_is_not_sent(self, upstreams: Client) -> None:
        with pytest.raises(UpstreamRefused, match="Provider acme cannot be called"):
            upstreams().open(target("ftp://example.com"), outgoing())


class TestListModels:
    def models(self, client: HttpUpstreams, server: ScriptedUpstream, preset: str = "openai") -> list[str]:
        return list(client.list_models(target(server.url, preset).host))

    def test_names_what_the_host_names(self, upstream: Upstream, upstreams: Client) -> None:
        listing = b'{"object":"list","data":[{"id":"one"},{"id":"two","x":1}]}'
        server = upstream(lambda client: (client.request(), client.answer(listing)))
        assert self.models(upstreams(), server, "anthropic") == ["one", "two"]
        assert server.requests[0].startswith(b"GET /v1/models?limit=1000 HTTP/1.1\r\n")
        assert f"\r\nx-api-key: {CANARY}\r\n".encode() in server.requests[0]
        assert b"content-length" not in server.requests[0]

    def test_says_that_the_key_was_refused(self, upstream: Upstream, upstreams: Client) -> None:
        server = upstream(lambda client: (client.request(), client.answer(b"no", status=b"401 Unauthorized")))
        with pytest.raises(UpstreamRejected, match="acme refused its key") as failure:
            self.models(upstreams(), server)
        assert (failure.value.upstream_status, failure.value.body) == (401, b"no")

    @pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"data":[1]}', b'{"data":[{}]}'])
    def test_says_that_the_answer_is_no_list(self, body: bytes, upstream: Upstream, upstreams: Client) -> None:
        server = upstream(lambda client: (client.request(), client.answer(body)))
        with pytest.raises(UpstreamInvalid, match="no list of models; check its base URL"):
            self.models(upstreams(), server)

    def test_ends_a_slow_host_at_its_bound(
        self, upstream: Upstream, upstreams: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def script(client: Conversation) -> None:
            client.request()
            client.send(CHUNKED)
            for _ in range(100):
                client.send(b"1\r\n \r\n")
                client.pause(0.05)

        monkeypatch.setattr(upstreams_module, "LIST_MODELS_SECONDS", 0.3)
        began = time.monotonic()
        with pytest.raises(UpstreamTimeout, match=r"within 0\.3 s"):
            self.models(upstreams(), upstream(script))
        assert time.monotonic() - began < 0.8

    def test_ends_an_endless_list(self, upstream: Upstream, upstreams: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(upstreams_module, "MOST_LIST_BYTES", 1000)
        server = upstream(lambda client: (client.request(), client.answer(b" " * 100_000)))
        with pytest.raises(UpstreamInvalid, match="more models than can be read"):
            self.models(upstreams(), server)
