"""An issuer and the whole gateway: two web processes under gevent, as users run it."""

import http.cookiejar
import json
import os
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import AuthenticationError

from tests.issuer import AUDIENCE, CLIENT_ID, CLIENT_SECRET, LocalIssuer
from tests.running import RunningGateway

EMAIL = "ada@example.com"


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    issuer = LocalIssuer()
    yield issuer
    issuer.close()


@pytest.fixture(scope="module")
def gateway(issuer: LocalIssuer) -> Iterator[RunningGateway]:
    with tempfile.TemporaryDirectory(prefix="tollhouse-oidc-", ignore_cleanup_errors=True) as folder:
        gateway = RunningGateway(
            Path(folder) / "home",
            TOLLHOUSE_LOCAL_MODEL="off",
            TOLLHOUSE_WEB_PROCESSES="2",
            TOLLHOUSE_OIDC_ISSUER=issuer.url,
            TOLLHOUSE_OIDC_CLIENT_ID=CLIENT_ID,
            TOLLHOUSE_OIDC_CLIENT_SECRET=CLIENT_SECRET,
            TOLLHOUSE_OIDC_AUDIENCE=AUDIENCE,
        )
        try:
            gateway.command("users", "invite", EMAIL, "--role", "member", "--team", "default")
            yield gateway
        finally:
            gateway.stop()


@pytest.fixture(scope="module")
def signed_in(gateway: RunningGateway, issuer: LocalIssuer) -> dict[str, Any]:
    """The tokens of somebody whose browser was at the issuer and came back, by way of redirects that it follows."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    with browser.open(f"{gateway.url}/api/auth/oidc/login", timeout=20) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    assert issuer.asked["/token"] == 1
    return found


def ask(gateway: RunningGateway, path: str, token: str) -> tuple[int, Any]:
    request = urllib.request.Request(f"{gateway.url}{path}", headers={"authorization": f"Bearer {token}"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - our own address
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, None


def test_a_browser_comes_back_signed_in(gateway: RunningGateway, signed_in: dict[str, Any]) -> None:
    for _ in range(6):
        status, me = ask(gateway, "/api/auth/me", signed_in["access_token"])
        assert (status, me["email"]) == (200, EMAIL)


def test_tokens_of_both_kinds_are_keys_for_the_official_client(
    gateway: RunningGateway, issuer: LocalIssuer, signed_in: dict[str, Any]
) -> None:
    for token in (signed_in["access_token"], issuer.access_token()):
        answer = gateway.openai(token).chat.completions.create(
            model="echo", messages=[{"role": "user", "content": "hi"}]
        )
        assert answer.choices[0].message.content
    with pytest.raises(AuthenticationError):
        gateway.openai(issuer.access_token(aud="another")).models.list()


def test_an_issuer_that_hangs_holds_up_nobody(gateway: RunningGateway, issuer: LocalIssuer) -> None:
    silent = threading.Event()

    def hang(_: Any) -> None:
        silent.wait(4)

    issuer.bends["keys"] = hang
    forged = issuer.access_token(header={"kid": os.urandom(4).hex()})
    waiting = [threading.Thread(target=ask, args=(gateway, "/v1/models", forged)) for _ in range(8)]
    for thread in waiting:
        thread.start()
    slowest = 0.0
    for _ in range(20):
        began = time.monotonic()
        assert ask(gateway, "/v1/models", gateway.key)[0] == 200
        slowest = max(slowest, time.monotonic() - began)
    silent.set()
    for thread in waiting:
        thread.join()
    del issuer.bends["keys"]
    assert slowest < 1.5, slowest


def test_who_is_disabled_in_the_shell_is_out_within_a_second_with_every_token(
    gateway: RunningGateway, issuer: LocalIssuer, signed_in: dict[str, Any]
) -> None:
    tokens = (signed_in["access_token"], issuer.access_token(jti="the last"))
    assert all(ask(gateway, "/v1/models", token)[0] == 200 for token in tokens for _ in range(6))
    gateway.command("users", "disable", EMAIL)
    time.sleep(1)
    assert all(ask(gateway, "/v1/models", token)[0] == 401 for token in tokens for _ in range(10))
