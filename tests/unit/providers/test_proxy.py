"""What the settings of the outgoing proxy may say, and whom it serves."""

from dataclasses import replace

import pytest

from tollhouse.domain.errors import InvalidSetting
from tollhouse.providers.addresses import split_base_url
from tollhouse.providers.proxy import Proxy
from tollhouse.settings import Settings, describe


def proxy(url: str, no_proxy: str = "") -> Proxy | None:
    return Proxy.of(replace(Settings(), https_proxy=url, no_proxy=no_proxy))


def test_without_the_setting_there_is_no_proxy() -> None:
    assert proxy("") is None


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://proxy.example.com:3128", "proxy.example.com", 3128),
        ("http://proxy:3128/", "proxy", 3128),
        ("http://10.0.0.1:8080", "10.0.0.1", 8080),
        ("http://[fd00::1]:8080", "fd00::1", 8080),
        ("http://proxy.example.com", "proxy.example.com", 80),
    ],
)
def test_a_proxy_is_a_host_and_a_port_wherever_it_is(url: str, host: str, port: int) -> None:
    found = proxy(url)
    assert found is not None
    assert (found.host, found.port, found.authorization) == (host, port, None)


@pytest.mark.parametrize(
    "url",
    [
        "proxy.example.com:3128",
        "https://me:secret-word@proxy.example.com",
        "socks5://me:secret-word@proxy:1080",
        "http://me:secret-word@",
        "http://me:secret-word@proxy:99999",
        "http://me:secret-word@proxy:3128/path",
        "http://me:secret-word@pro xy:3128",
        "http://me:secret-word@proxy:3128?x",
    ],
)
def test_what_is_no_proxy_is_told_without_repeating_it(url: str) -> None:
    with pytest.raises(InvalidSetting, match="TOLLHOUSE_HTTPS_PROXY must be like http://") as failure:
        proxy(url)
    assert "secret-word" not in str(failure.value)


def test_the_password_is_in_no_repr_and_in_no_list_of_settings() -> None:
    settings = replace(Settings(), https_proxy="http://me:secret-word@proxy:3128")
    shown = repr(settings) + repr(Proxy.of(settings)) + str(describe(settings))
    assert "secret-word" not in shown
    assert "bWU6" not in shown


@pytest.mark.parametrize(
    ("no_proxy", "url", "served"),
    [
        ("", "https://api.example.com", True),
        ("", "http://api.example.com", False),
        ("example.com", "https://example.com", False),
        ("example.com", "https://api.example.com.", False),
        (".example.com", "https://api.example.com", False),
        ("EXAMPLE.com", "https://api.example.com", False),
        ("example.com", "https://notexample.com", True),
        ("a.example, b.example,", "https://b.example", False),
        ("10.0.0.0/8", "https://10.1.2.3", False),
        ("10.0.0.0/8", "https://11.1.2.3", True),
        ("10.1.2.3", "https://10.1.2.3:8443", False),
        ("fd00::/8", "https://[fd00::1]", False),
        ("[::1]", "https://[::1]", False),
        ("10.0.0.0/8", "https://[fd00::1]", True),
        ("10.0.0.0/8", "https://api.example.com", True),
        ("*", "https://api.example.com", False),
    ],
)
def test_the_proxy_serves_https_hosts_that_are_not_exempt(no_proxy: str, url: str, served: bool) -> None:
    found = proxy("http://proxy:3128", no_proxy)
    assert found is not None
    assert found.serves(split_base_url(url)) == served


@pytest.mark.parametrize("no_proxy", ["example.com:8443", "https://example.com", "*.example.com", "10.0.0.0/99", "a b"])
def test_an_exemption_that_would_never_hold_is_told(no_proxy: str) -> None:
    with pytest.raises(InvalidSetting, match="TOLLHOUSE_NO_PROXY must be names, addresses or networks"):
        proxy("http://proxy:3128", no_proxy)
