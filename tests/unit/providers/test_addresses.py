"""Where a call may go."""

from ipaddress import ip_network

import pytest

from tollhouse.domain.errors import InvalidField, UpstreamRefused
from tollhouse.providers.addresses import (
    BaseURL,
    check_base_url,
    is_private,
    may_be_at,
    refuse_visibly_private,
    split_base_url,
)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 - looked at, not bound
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:7f00:1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "2001::1",
        "2001:db8::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "not an address",
    ],
)
def test_an_address_that_is_not_public_is_private(address: str) -> None:
    assert is_private(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "172.32.0.1",
        "2606:4700:4700::1111",
        "::ffff:1.1.1.1",
        "2002:101:101::1",
        "64:ff9b::1.1.1.1",
    ],
)
def test_a_public_address_is_not_private(address: str) -> None:
    assert not is_private(address)
    assert may_be_at(address, allow_private=False)


def test_private_addresses_may_be_allowed_by_network() -> None:
    networks = (ip_network("10.20.0.0/16"), ip_network("fd00::/8"))
    for address in ("10.20.3.4", "fd12::1", "1.1.1.1"):
        assert may_be_at(address, networks)
    for address in ("10.21.0.1", "127.0.0.1", "::1", "fe80::1%eth0", "not an address", "::ffff:10.20.3.4"):
        assert not may_be_at(address, networks)
        assert not may_be_at(address, allow_private=False)
        assert may_be_at(address, allow_private=True)


def test_what_a_proxy_would_look_up_may_not_be_of_this_network() -> None:
    networks = (ip_network("10.20.0.0/16"),)
    refuse_visibly_private("10.20.3.4", networks)
    refuse_visibly_private("hooks.example.com", networks)
    refuse_visibly_private("box.internal", allow_private=True)
    for host in ("10.21.0.1", "box", "box.internal", "nas.home.arpa", "localhost"):
        for allowed in (networks, False):
            with pytest.raises(UpstreamRefused):
                refuse_visibly_private(host, allowed)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "must begin with http:// or https://"),
        ("api.example.com/v1", "must begin with http:// or https://"),
        ("ftp://example.com", "must begin with http:// or https://"),
        ("file:///etc/passwd", "must begin with http:// or https://"),
        ("http://", "has no host"),
        ("http:///v1", "has no host"),
        ("https://:8080/v1", "has no host"),
        ("https://user:sk-secret@example.com", "user name or password"),
        ("https://sk-secret@example.com", "user name or password"),
        ("https://example.com/v1?key=sk-secret", "query or fragment"),
        ("https://example.com/v1?", "query or fragment"),
        ("https://example.com/v1#sk-secret", "query or fragment"),
        ("https://example.com:99999", "not a URL"),
        ("https://example.com:0", "port"),
        ("https://[::1", "not a URL"),
        ("https://[1::2::3]", "not a URL|not an IPv6 address"),
        ("https://exa mple.com", "space"),
        ("https://example.com/\r\nx-evil: 1", "control character"),
        ("https://exa\nmple.com", "control character"),
        ("https://example.com\\@evil.com", "backslash"),
        ("https://-bad-.com", "not a host name"),
        ("https://a..b.com", "not a host name"),
        ("https://" + "a" * 64 + ".com", "not a host name"),
        ("https://exa%6dple.com", "not a host name"),
        ("https://example.com/ä", "percent-encoded"),
    ],
)
def test_what_is_no_base_url_is_refused_in_a_sentence_that_repeats_no_secret(url: str, words: str) -> None:
    with pytest.raises(InvalidField, match=words) as failure:
        check_base_url(url, allow_private=True)
    assert failure.value.param == "base_url"
    assert "secret" not in str(failure.value)


PRIVATE = [
    "http://127.0.0.1:8080",
    "http://10.0.0.5/v1",
    "http://[::1]:8080",
    "http://[::ffff:169.254.169.254]",
    "http://127.1",
    "http://0x7f000001",
    "http://2130706433/v1",
    "http://0177.0.0.1",
    "http://localhost:11434/v1",
    "http://LOCALHOST.",
    "http://api.localhost",
]


@pytest.mark.parametrize("url", PRIVATE)
def test_a_private_address_must_be_meant(url: str) -> None:
    with pytest.raises(
        InvalidField, match=r"is a private address; say --allow-private \(`allow_private`\) if that is meant\.$"
    ):
        check_base_url(url, allow_private=False)
    check_base_url(url, allow_private=True)


@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "http://8.8.8.8", "https://bücher.example/v1/"])
def test_a_public_base_url_is_taken(url: str) -> None:
    check_base_url(url, allow_private=False)


@pytest.mark.parametrize(
    ("url", "parts", "authority"),
    [
        ("https://API.Example.com/v1/", BaseURL(True, "api.example.com", 443, "/v1"), "api.example.com"),
        ("http://example.com", BaseURL(False, "example.com", 80, ""), "example.com"),
        ("http://example.com:443/", BaseURL(False, "example.com", 443, ""), "example.com:443"),
        ("https://example.com:443", BaseURL(True, "example.com", 443, ""), "example.com"),
        ("http://[2001:DB8::1]:8080/a", BaseURL(False, "2001:db8::1", 8080, "/a"), "[2001:db8::1]:8080"),
        ("https://bücher.example", BaseURL(True, "xn--bcher-kva.example", 443, ""), "xn--bcher-kva.example"),
    ],
)
def test_a_base_url_has_parts(url: str, parts: BaseURL, authority: str) -> None:
    assert split_base_url(url) == parts
    assert split_base_url(url).authority == authority


def test_the_options_of_echo_are_checked_too() -> None:
    check_base_url("echo:?delay_ms=5&cut_after=0", allow_private=False)
    with pytest.raises(InvalidField, match="'speed' is no option of echo"):
        check_base_url("echo:?speed=9", allow_private=False)
