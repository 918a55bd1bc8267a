"""Calls through a proxy, and the authorities that are trusted: real sockets, real TLS, a real tunnel."""

import socket
import ssl
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import gevent.socket
import pytest

from tests.integration.providers.authority import Authority
from tests.integration.providers.conftest import CANARY, Conversation, ScriptedUpstream, outgoing, read_all, target
from tollhouse.domain.errors import InvalidSetting, UpstreamRefused
from tollhouse.providers import connections
from tollhouse.providers.upstreams import HttpUpstreams

Upstream = Callable[..., ScriptedUpstream]
Client = Callable[..., HttpUpstreams]
NAME = "llm.example.com"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server_tls(authority: Authority) -> ssl.SSLContext:
    return authority.server(NAME, "localhost")


@pytest.fixture
def server(upstream: Upstream, server_tls: ssl.SSLContext) -> ScriptedUpstream:
    return upstream(answers, server_tls)


@pytest.fixture(autouse=True)
def no_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy resolves what is behind it: nobody else may."""
    real = gevent.socket.getaddrinfo

    def getaddrinfo(host: str, *args: object, **kw: object) -> object:
        assert host == "localhost", host
        return real(host, *args, **kw)

    monkeypatch.setattr("gevent.socket.getaddrinfo", getaddrinfo)


def answers(client: Conversation) -> None:
    while client.request():
        client.answer()


def tunnels_to(server: ScriptedUpstream) -> Callable[[Conversation], None]:
    def script(client: Conversation) -> None:
        client.request()
        client.send(b"HTTP/1.1 200 Connection established\r\nproxy-agent: test\r\n\r\n")
        client.join(server.port)

    return script


def says(answer: bytes) -> Callable[[Conversation], None]:
    def script(client: Conversation) -> None:
        client.request()
        client.send(answer)
        client.pause(0.2)

    return script


def proxy_url(proxy: ScriptedUpstream, secret: str = "") -> str:
    return f"http://{secret}localhost:{proxy.port}"


def test_an_https_host_is_reached_through_a_tunnel_that_later_calls_share(
    server: ScriptedUpstream, upstream: Upstream, upstreams: Client, authority: Authority
) -> None:
    proxy = upstream(tunnels_to(server))
    client = upstreams(https_proxy=proxy_url(proxy), ca_bundle=str(authority.file))
    for _ in range(2):
        call = target(f"https://{NAME}:{server.port}", allow_private=False)
        assert read_all(client.open(call, outgoing())) == b"{}"
    assert (proxy.connections, server.connections, len(server.requests)) == (1, 1, 2)
    [asked] = proxy.requests
    assert asked.startswith(f"CONNECT {NAME}:{server.port} HTTP/1.1\r\nhost: {NAME}:{server.port}\r\n".encode())
    assert CANARY.encode() not in asked
    assert b"proxy-" not in asked
    assert CANARY.encode() in server.requests[0]


def test_the_proxys_password_is_for_the_proxy_alone(
    server: ScriptedUpstream, upstream: Upstream, upstreams: Client, authority: Authority
) -> None:
    proxy = upstream(tunnels_to(server))
    client = upstreams(https_proxy=proxy_url(proxy, "me:p%40ss@word@"), ca_bundle=str(authority.file))
    read_all(client.open(target(f"https://{NAME}:{server.port}"), outgoing()))
    assert f"\r\nproxy-authorization: Basic {b64encode(b'me:p@ss@word').decode()}\r\n".encode() in proxy.requests[0]
    assert b"proxy" not in server.requests[0].lower()


@pytest.mark.parametrize("no_proxy", ["localhost", "a.example, localhost", ".localhost", "*"])
def test_a_host_that_needs_no_proxy_is_reached_without(
    no_proxy: str, server: ScriptedUpstream, upstream: Upstream, upstreams: Client, authority: Authority
) -> None:
    proxy = upstream(tunnels_to(server))
    client = upstreams(https_proxy=proxy_url(proxy), no_proxy=no_proxy, ca_bundle=str(authority.file))
    assert read_all(client.open(target(f"https://localhost:{server.port}"), outgoing())) == b"{}"
    assert proxy.connections == 0


def test_an_http_host_is_reached_without(upstream: Upstream, upstreams: Client) -> None:
    server, proxy = upstream(answers), upstream(answers)
    assert read_all(upstreams(https_proxy=proxy_url(proxy)).open(target(server.url), outgoing())) == b"{}"
    assert proxy.connections == 0


def test_a_proxy_of_the_environment_is_not_taken(
    server: ScriptedUpstream,
    upstream: Upstream,
    upstreams: Client,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = upstream(tunnels_to(server))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, proxy_url(proxy))
    client = upstreams(ca_bundle=str(authority.file))
    assert read_all(client.open(target(f"https://localhost:{server.port}"), outgoing())) == b"{}"
    assert proxy.connections == 0


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "wants another user name or password in TOLLHOUSE_HTTPS",
        ),
        (
            b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno",
            r"opens no way to llm.example.com:443 \(status 403\)",
        ),
        (
            b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
            r"\(status 502\); allow it there, or name the host in TOLLHOUSE_NO_PROXY",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nearly", "did not answer as an HTTP proxy"),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", "did not answer as an HTTP proxy"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 20000, "did not answer as an HTTP proxy"),
        (b"HTTP/1.1 200 OK\r\n", r"within 0.3 s \(connect deadline\)"),
        (b"", r"within 0.3 s \(connect deadline\)"),
        (b"HTTP/1.1 200 OK\r\n\r\n", r"llm.example.com through the proxy localhost:\d+ within 0.3 s"),
    ],
)
def test_a_proxy_that_opens_no_tunnel_costs_nothing_and_is_named(
    answer: bytes, message: str, upstream: Upstream, upstreams: Client
) -> None:
    proxy = upstream(lambda client: (says(answer)(client), client.pause(1)))
    client = upstreams(https_proxy=proxy_url(proxy, "me:secret-word@"), connect_seconds=0.3)
    with pytest.raises(UpstreamRefused, match=message) as failure:
        client.open(target(f"https://{NAME}"), outgoing())
    assert not failure.value.billable
    assert "secret-word" not in failure.value.message


def test_a_proxy_that_closes_is_named(upstream: Upstream, upstreams: Client) -> None:
    proxy = upstream(lambda client: client.request())
    with pytest.raises(UpstreamRefused, match="did not answer as an HTTP proxy; check TOLLHOUSE_HTTPS_PROXY"):
        upstreams(https_proxy=proxy_url(proxy)).open(target(f"https://{NAME}"), outgoing())


def test_a_proxy_without_an_address_is_named(upstreams: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_args: object, **_kw: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("gevent.socket.getaddrinfo", getaddrinfo)
    with pytest.raises(
        UpstreamRefused, match=r"The proxy proxy\.example\.com:3128 has no address; check TOLLHOUSE_HTTPS"
    ):
        upstreams(https_proxy="http://proxy.example.com:3128").open(target(f"https://{NAME}"), outgoing())


def test_a_proxy_that_is_not_there_is_named(upstreams: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(UpstreamRefused, match=f"through the proxy 127.0.0.1:{port} \\(.*\\); check both"):
        upstreams(https_proxy=f"http://127.0.0.1:{port}").open(target(f"https://{NAME}"), outgoing())


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "169.254.169.254",
        "10.1.2.3",
        "127.1",
        "2130706433",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "localhost",
        "a.localhost",
        "vault",
        "metadata.google.internal",
        "printer.local",
        "nas.home.arpa",
    ],
)
def test_a_host_that_can_be_seen_to_be_private_is_not_asked_of_the_proxy(
    host: str, server: ScriptedUpstream, upstream: Upstream, upstreams: Client
) -> None:
    proxy = upstream(tunnels_to(server))
    client = upstreams(https_proxy=proxy_url(proxy))
    with pytest.raises(UpstreamRefused, match="is at a private address; allow that for the provider"):
        client.open(target(f"https://{host}:{server.port}", allow_private=False), outgoing())
    assert proxy.connections == 0


def test_a_private_host_is_asked_of_the_proxy_where_that_is_allowed(
    upstream: Upstream, upstreams: Client, authority: Authority
) -> None:
    server = upstream(answers, authority.server("vault"))
    proxy = upstream(tunnels_to(server))
    client = upstreams(https_proxy=proxy_url(proxy), ca_bundle=str(authority.file))
    assert read_all(client.open(target("https://vault"), outgoing())) == b"{}"
    assert proxy.requests[0].startswith(b"CONNECT vault:443 ")


def test_whoever_answers_at_the_end_of_the_tunnel_must_be_the_host(
    server: ScriptedUpstream, upstream: Upstream, upstreams: Client, authority: Authority
) -> None:
    proxy = upstream(tunnels_to(server))
    client = upstreams(https_proxy=proxy_url(proxy), ca_bundle=str(authority.file))
    with pytest.raises(UpstreamRefused, match=r"certificate of other\.example\.com.* is not trusted .*mismatch"):
        client.open(target("https://other.example.com"), outgoing())
    assert server.requests == []


def test_an_authority_of_ones_own_is_trusted_where_the_setting_names_it(
    server: ScriptedUpstream, upstreams: Client, authority: Authority
) -> None:
    call = target(f"https://localhost:{server.port}")
    with pytest.raises(UpstreamRefused, match="TOLLHOUSE_CA_BUNDLE those beside them"):
        upstreams().open(call, outgoing())
    assert read_all(upstreams(ca_bundle=str(authority.file)).open(call, outgoing())) == b"{}"


def test_an_authority_of_ones_own_stands_beside_the_systems(
    upstream: Upstream, upstreams: Client, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systems = Authority(tmp_path, "System's Authority")
    monkeypatch.setenv("SSL_CERT_FILE", str(systems.file))
    connections._tls.cache_clear()
    client = upstreams(ca_bundle=str(authority.file))
    try:
        for one in (systems, authority):
            server = upstream(answers, one.server("localhost"))
            assert read_all(client.open(target(f"https://localhost:{server.port}"), outgoing())) == b"{}"
    finally:
        connections._tls.cache_clear()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file"),
        ("", "has no certificates in PEM"),
        ("not a certificate", "has no certificates in PEM"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "has no certificates in PEM"),
    ],
)
def test_a_bundle_that_is_none_is_told_at_the_start(
    content: str | None, problem: str, upstreams: Client, tmp_path: Path
) -> None:
    file = tmp_path / "bundle.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InvalidSetting, match=f"TOLLHOUSE_CA_BUNDLE must be a file of certificates; .*{problem}"):
        upstreams(ca_bundle=str(file))


def test_a_folder_is_no_bundle(upstreams: Client, tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="TOLLHOUSE_CA_BUNDLE must be a file"):
        upstreams(ca_bundle=str(tmp_path))


PATCHED = """
import gevent.monkey
gevent.monkey.patch_all()
import sys
from tollhouse.domain.ports import Outgoing
from tollhouse.domain.routes import Host, Target
from tollhouse.providers.upstreams import HttpUpstreams
from tollhouse.settings import load
upstreams = HttpUpstreams(load())
target = Target("m", "m", Host("prv_1", "acme", "openai", sys.argv[1], None, True), None)
exchange = upstreams.open(target, Outgoing("chat", b"{}", {}, False))
sys.stdout.write(b"".join(iter(exchange.read, b"")).decode())
"""


def test_a_patched_process_reads_the_settings_and_goes_through_the_proxy(
    server: ScriptedUpstream, upstream: Upstream, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = upstream(tunnels_to(server))
    monkeypatch.setenv("TOLLHOUSE_HTTPS_PROXY", proxy_url(proxy))
    monkeypatch.setenv("TOLLHOUSE_CA_BUNDLE", str(authority.file))
    done = subprocess.run(
        [sys.executable, "-c", PATCHED, f"https://{NAME}:{server.port}"], capture_output=True, timeout=30, check=False
    )
    assert (done.stdout, done.returncode) == (b"{}", 0), done.stderr.decode()
    assert proxy.connections == 1
