"""People on the whole gateway: two web processes under gevent, as users run it."""

import json
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.running import RunningGateway, wait_until

PASSWORD = "a password for tests"
EMAIL = "walker@example.com"


class Site:
    """`/api` over the network. Each request has a connection of its own, so it may reach either process."""

    def __init__(self, running: RunningGateway) -> None:
        self._url = running.url
        self.token = ""

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{self._url}{path}",
            None if body is None else json.dumps(body).encode(),
            {"authorization": f"Bearer {token or self.token}", "content-type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - our own address
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def login(self, email: str = EMAIL, password: str = PASSWORD) -> Any:
        status, pair = self.ask("POST", "/api/auth/login", {"email": email, "password": password}, "none")
        assert status == 200, pair
        self.token = pair["access_token"]
        return pair


@pytest.fixture
def site(running: RunningGateway) -> Site:
    emails = [user["email"] for user in running.json("users", "list")]
    if EMAIL not in emails:
        running.command("users", "create", EMAIL, "--role", "admin", "--password-stdin", given=f"{PASSWORD}\n")
    site = Site(running)
    site.login()
    return site


def test_a_key_made_through_the_api_calls_until_it_is_revoked(running: RunningGateway, site: Site) -> None:
    status, key = site.ask("POST", "/api/keys", {"name": "end to end"})
    assert status == 201
    client = running.openai(key["key"])
    answer = client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "hi"}])
    assert answer.choices[0].message.content
    assert site.ask("DELETE", f"/api/keys/{key['id']}")[0] == 200
    time.sleep(1)
    for _ in range(20):
        assert site.ask("GET", "/v1/models", token=key["key"])[0] == 401


def test_an_access_token_is_a_key_for_the_official_clients(running: RunningGateway, site: Site) -> None:
    answer = running.openai(site.token).chat.completions.create(
        model="echo", messages=[{"role": "user", "content": "hi"}]
    )
    assert answer.choices[0].message.content
    message = running.anthropic(site.token).messages.create(
        model="echo", max_tokens=10, messages=[{"role": "user", "content": "hi"}]
    )
    assert message.content


def test_of_twenty_who_race_with_a_refresh_token_over_two_processes_one_wins(site: Site) -> None:
    pair, answers = site.login(), []
    start = threading.Barrier(20)

    def go() -> None:
        start.wait()
        answers.append(site.ask("POST", "/api/auth/refresh", {"refresh_token": pair["refresh_token"]}))

    threads = [threading.Thread(target=go) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _ in answers) == [200] + [401] * 19
    time.sleep(1)
    for token in (pair["access_token"], next(body["access_token"] for status, body in answers if status == 200)):
        for _ in range(10):
            assert site.ask("GET", "/api/auth/me", token=token)[0] == 401


def test_who_is_disabled_in_the_shell_is_out_of_all_processes_within_a_second(
    running: RunningGateway, site: Site
) -> None:
    email = "short-lived@example.com"
    running.command(
        "users", "create", email, "--role", "member", "--team", "default", "--password-stdin", given=f"{PASSWORD}\n"
    )
    token = Site(running).login(email)["access_token"]
    assert all(site.ask("GET", "/v1/models", token=token)[0] == 200 for _ in range(10))
    running.command("users", "disable", email)
    time.sleep(1)
    assert all(site.ask("GET", "/v1/models", token=token)[0] == 401 for _ in range(20))


def test_hashing_passwords_holds_up_no_call(running: RunningGateway, site: Site) -> None:
    site.ask("GET", "/healthz")
    hashing = [
        threading.Thread(target=lambda n=n: site.ask("POST", "/api/auth/login", {"email": f"{n}@x.y", "password": "x"}))
        for n in range(8)
    ]
    for thread in hashing:
        thread.start()
    slowest = 0.0
    while any(thread.is_alive() for thread in hashing):
        began = time.monotonic()
        assert site.ask("GET", "/healthz")[0] == 200
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 0.5, slowest


def test_a_link_without_a_mail_server_is_in_the_log(running: RunningGateway, site: Site) -> None:
    assert site.ask("POST", "/api/users", {"email": "guest@example.com", "role": "viewer"})[0] == 202
    wait_until(lambda: "/console/invitation#" in running.output())
