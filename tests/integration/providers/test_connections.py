"""Which addresses are connected to, and which certificates are believed."""

import datetime as dt
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.providers.conftest import Conversation, ScriptedUpstream, outgoing, read_all, target
from tollhouse.domain.errors import UpstreamRefused, UpstreamTimeout
from tollhouse.providers import connections
from tollhouse.providers.upstreams import HttpUpstreams

Upstream = Callable[..., ScriptedUpstream]
Client = Callable[..., HttpUpstreams]


def answers(client: Conversation) -> None:
    while client.request():
        client.answer()


def resolving_to(*addresses: str) -> Callable[..., list[tuple[object, ...]]]:
    def getaddrinfo(_host: str, port: int, **_kw: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return getaddrinfo


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]"])
def test_a_private_host_is_not_connected_to(host: str, upstream: Upstream, upstreams: Client) -> None:
    server = upstream(answers)
    with pytest.raises(UpstreamRefused, match="is at a private address") as failure:
        upstreams().open(target(f"http://{host}:{server.port}", allow_private=False), outgoing())
    assert server.connections == 0
    assert not failure.value.billable


def test_a_private_host_is_connected_to_where_that_is_allowed(upstream: Upstream, upstreams: Client) -> None:
    server = upstream(answers)
    assert read_all(upstreams().open(target(f"http://localhost:{server.port}"), outgoing())) == b"{}"
    assert f"\r\nhost: localhost:{server.port}\r\n".encode() in server.requests[0]


def test_a_public_name_that_leads_to_a_private_address_is_not_connected_to(
    upstream: Upstream, upstreams: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = upstream(answers)
    monkeypatch.setattr("gevent.socket.getaddrinfo", resolving_to("127.0.0.1", "10.0.0.1"))
    with pytest.raises(UpstreamRefused, match=r"api\.example\.com is at a private address"):
        upstreams().open(target(f"http://api.example.com:{server.port}", allow_private=False), outgoing())
    assert server.connections == 0


def test_the_address_that_was_checked_is_the_one_connected_to(
    upstream: Upstream, upstreams: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, asked = upstream(answers), []

    def getaddrinfo(host: str, port: int, **kw: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return resolving_to("127.0.0.1")(host, port, **kw)

    monkeypatch.setattr("gevent.socket.getaddrinfo", getaddrinfo)
    read_all(upstreams().open(target(f"http://api.example.com:{server.port}"), outgoing()))
    assert asked == ["api.example.com"]
    assert f"\r\nhost: api.example.com:{server.port}\r\n".encode() in server.requests[0]


@pytest.mark.skipif(sys.platform != "linux", reason="needs 127.0.0.2 and how Linux treats a full backlog")
def test_an_address_that_refuses_leaves_the_next_one_its_turn(
    upstream: Upstream, upstreams: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = upstream(answers)
    monkeypatch.setattr("gevent.socket.getaddrinfo", resolving_to("127.0.0.2", "127.0.0.1"))
    assert read_all(upstreams().open(target(f"http://two.example:{server.port}"), outgoing())) == b"{}"


@pytest.mark.skipif(sys.platform != "linux", reason="needs 127.0.0.2 and how Linux treats a full backlog")
def test_an_address_that_swallows_everything_leaves_the_next_one_its_time(
    upstream: Upstream, upstreams: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = upstream(answers)
    with socket.socket() as hole, socket.socket() as first, socket.socket() as second:
        hole.bind(("127.0.0.2", server.port))
        hole.listen(0)
        for filler in (first, second):  # Past its backlog, Linux lets a listener drop what knocks.
            filler.setblocking(False)
            filler.connect_ex(hole.getsockname())
        monkeypatch.setattr("gevent.socket.getaddrinfo", resolving_to("127.0.0.2", "127.0.0.1"))
        call = target(f"http://two.example:{server.port}")
        assert read_all(upstreams(connect_seconds=0.4).open(call, outgoing())) == b"{}"


def test_a_name_without_an_address_is_refused(upstreams: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_args: object, **_kw: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("gevent.socket.getaddrinfo", getaddrinfo)
    with pytest.raises(UpstreamRefused, match=r"nowhere\.example has no address; check the provider's base URL"):
        upstreams().open(target("http://nowhere.example"), outgoing())


PATCHED = """
import gevent.monkey
gevent.monkey.patch_all()
import sys
from tollhouse.domain.ports import Outgoing
from tollhouse.domain.routes import Host, Target
from tollhouse.providers.upstreams import HttpUpstreams
from tollhouse.settings import Settings
upstreams = HttpUpstreams(Settings())
target = Target("m", "m", Host("prv_1", "acme", "openai", sys.argv[1], None, True), None)
for _ in range(2):
    exchange = upstreams.open(target, Outgoing("chat", b"{}", {}, False))
    sys.stdout.write(b"".join(iter(exchange.read, b"")).decode())
    exchange.close()
"""


class Certificate:
    def __init__(self, folder: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = dt.datetime.now(dt.UTC)
        names = [x509.DNSName("localhost")]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        self.file = folder / "certificate.pem"
        key_file = folder / "key.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.file, key_file)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    connections._tls.cache_clear()
    yield
    connections._tls.cache_clear()


def test_a_certificate_that_nobody_vouches_for_is_refused(
    certificate: Certificate, upstream: Upstream, upstreams: Client
) -> None:
    server = upstream(answers, certificate.context)
    with pytest.raises(UpstreamRefused, match=r"is not trusted \(self.signed certificate\); SSL_CERT_FILE names"):
        upstreams().open(target(f"https://localhost:{server.port}"), outgoing())
    assert server.requests == []


@pytest.mark.usefixtures("trusted")
def test_a_certificate_of_another_name_is_refused(
    certificate: Certificate, upstream: Upstream, upstreams: Client
) -> None:
    server = upstream(answers, certificate.context)
    with pytest.raises(UpstreamRefused, match=r"is not trusted .*mismatch"):
        upstreams().open(target(server.url), outgoing())
    assert server.requests == []


@pytest.mark.usefixtures("trusted")
def test_calls_over_tls_share_a_connection(certificate: Certificate, upstream: Upstream, upstreams: Client) -> None:
    server, client = upstream(answers, certificate.context), upstreams()
    for _ in range(3):
        assert read_all(client.open(target(f"https://localhost:{server.port}"), outgoing())) == b"{}"
    assert (server.connections, len(server.requests)) == (1, 3)


@pytest.mark.usefixtures("trusted")
def test_a_deadline_holds_over_tls(certificate: Certificate, upstream: Upstream, upstreams: Client) -> None:
    server = upstream(lambda client: (client.request(), client.pause(5)), certificate.context)
    with pytest.raises(UpstreamTimeout, match="first-byte deadline"):
        upstreams(first_byte_seconds=0.2).open(target(f"https://localhost:{server.port}"), outgoing())


def test_a_patched_process_calls_over_tls_too(
    certificate: Certificate, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = upstream(answers, certificate.context)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    done = subprocess.run(
        [sys.executable, "-c", PATCHED, f"https://localhost:{server.port}"],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout, done.returncode) == (b"{}{}", 0), done.stderr.decode()
    assert server.connections == 1


def test_a_host_that_does_not_speak_tls_is_refused(upstream: Upstream, upstreams: Client) -> None:
    server = upstream(lambda client: client.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with pytest.raises(UpstreamRefused, match=r"No TLS with 127.0.0.1.*check the provider's base URL"):
        upstreams().open(target(server.url.replace("http:", "https:")), outgoing())
