"""Where a webhook may be, and how its address is asked for."""

from ipaddress import ip_network

import pytest

from tollhouse.domain.errors import InvalidField
from tollhouse.providers.courier import HttpCourier
from tollhouse.providers.webhook import split_url

NOWHERE = HttpCourier((), 1.0)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com",
        "https://hooks.example.com/a/b?token=x&y=%20",
        "http://hooks.example.com:8080/",
        "https://[2606:4700:4700::1111]/x",
        "https://büro.example/x",
    ],
)
def test_what_may_be_told(url: str) -> None:
    NOWHERE.check(url)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "localhost", "localhost.", "[::1]"])
def test_this_machine_is_told_nothing_but_where_it_is_allowed(host: str) -> None:
    with pytest.raises(InvalidField, match="private address") as raised:
        NOWHERE.check(f"http://{host}/x")
    assert raised.value.param == "url"
    HttpCourier((ip_network("127.0.0.0/8"), ip_network("::1/128")), 1.0).check(f"http://{host}/x")
    with pytest.raises(InvalidField):
        HttpCourier((ip_network("10.0.0.0/8"),), 1.0).check(f"http://{host}/x")


@pytest.mark.parametrize(
    "url", ["", "hooks", "ftp://a.b/", "https://u:secret@a.b/", "https://a.b/#x", "https://a.b/ x"]
)
def test_what_is_no_address_is_not_repeated(url: str) -> None:
    with pytest.raises(InvalidField) as raised:
        NOWHERE.check(url)
    assert "secret" not in raised.value.message


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://a.b", "/"),
        ("https://a.b/", "/"),
        ("https://a.b?x=1", "/?x=1"),
        ("https://a.b/hook", "/hook"),
        ("https://a.b/hook/", "/hook/"),
        ("https://a.b/hook/?x=/", "/hook/?x=/"),
    ],
)
def test_it_is_asked_for_as_it_was_written(url: str, path: str) -> None:
    assert split_url(url)[1] == path
