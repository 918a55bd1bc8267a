"""The refresh token in a cookie, for pages of the gateway itself."""

from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from tests.integration.api.management import PASSWORD, Management, is_problem, within_a_second

REFRESH, CSRF = "tollhouse_refresh", "tollhouse_csrf"


class Page:
    """A browser with a page of ours, whose person signed in and asked for a cookie."""

    def __init__(self, api: Management, email: str, **how: Any) -> None:
        self.client: Client = api.gateway.app.test_client()
        body = {"email": email, "password": PASSWORD, "cookie": True}
        self.answer = self.client.post("/api/auth/login", json=body, **how)
        assert self.answer.status_code == 200
        self.token: str = self.answer.json["access_token"]

    def cookies(self) -> dict[str, str]:
        """What the server sets, by name."""
        return {one.partition("=")[0]: one for one in self.answer.headers.getlist("set-cookie")}

    @property
    def csrf(self) -> str:
        cookie = self.client.get_cookie(CSRF)
        assert cookie is not None
        return cookie.value

    def post(self, path: str, csrf: str | None = None) -> TestResponse:
        headers = {} if csrf is None else {"x-csrf-token": csrf}
        self.answer = self.client.post(f"/api/auth{path}", headers=headers)
        return self.answer


@pytest.fixture
def email(api: Management, request: pytest.FixtureRequest) -> str:
    email = f"{abs(hash(request.node.name))}-cookie@example.com"
    api.add(email, "member", "team_default")
    return email


def test_a_login_that_does_not_ask_gets_none(api: Management, email: str) -> None:
    answer = api.login(email)
    assert "set-cookie" not in answer.headers
    assert answer.json["refresh_token"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_of_another_page_signs_nobody_in(api: Management, email: str, kind: str) -> None:
    """`enctype="text/plain"` makes JSON of a field's name and its value, and needs no leave of ours."""
    client = api.gateway.app.test_client()
    text = f'{{"email": "{email}", "password": "{PASSWORD}", "cookie": true}}'
    answer = client.post("/api/auth/login", data=text, headers={"content-type": kind})
    assert is_problem(answer, 400, "invalid_value")
    assert answer.json["param"] == "Content-Type"
    assert "set-cookie" not in answer.headers


def test_no_script_can_read_the_refresh_token(api: Management, email: str) -> None:
    page = Page(api, email)
    assert set(page.answer.json) == {"access_token", "token_type", "expires_in"}
    parts = {part.strip() for part in page.cookies()[REFRESH].split(";")[1:]}
    assert {"HttpOnly", "SameSite=Strict", "Path=/api/auth"} <= parts
    assert "Secure" not in parts
    parts = {part.strip() for part in page.cookies()[CSRF].split(";")[1:]}
    assert {"SameSite=Strict", "Path=/"} <= parts
    assert "HttpOnly" not in parts


def test_behind_tls_cookies_go_by_nothing_else(api: Management, email: str) -> None:
    page = Page(api, email, base_url="https://localhost")
    assert all("Secure" in cookie for cookie in page.cookies().values())
    assert len(page.cookies()) == 2


def test_the_cookie_renews_once_with_the_token_against_forgery(api: Management, email: str) -> None:
    page = Page(api, email)
    before = page.client.get_cookie(REFRESH, path="/api/auth")
    old_csrf = page.csrf
    assert before is not None
    answer = page.post("/refresh", page.csrf)
    assert answer.status_code == 200
    assert "refresh_token" not in answer.json
    assert api.get("/auth/me", answer.json["access_token"]).status_code == 200
    assert page.csrf != old_csrf
    assert is_problem(page.post("/refresh", old_csrf), 403, "forbidden")
    page.client.set_cookie(REFRESH, before.value, path="/api/auth")
    assert is_problem(page.post("/refresh", old_csrf), 401, "spent_refresh_token")


@pytest.mark.parametrize("path", ["/refresh", "/logout"])
@pytest.mark.parametrize("csrf", [None, "", "wrong", "ä"])
def test_another_page_cannot_have_the_browser_send_it(api: Management, email: str, path: str, csrf: str | None) -> None:
    page = Page(api, email)
    answer = page.post(path, csrf)
    assert answer.status_code in (401, 403)
    assert page.post("/refresh", page.csrf).status_code == 200, "nothing has ended"


def test_signing_out_by_the_cookie_ends_the_sign_in_and_takes_the_cookies(api: Management, email: str) -> None:
    page = Page(api, email)
    assert page.post("/logout", page.csrf).status_code == 204
    assert page.client.get_cookie(REFRESH, path="/api/auth") is None
    assert page.client.get_cookie(CSRF) is None
    within_a_second(lambda: api.get("/auth/me", page.token).status_code == 401)


def test_the_cookie_is_no_access_token(api: Management, email: str) -> None:
    page = Page(api, email)
    headers = {"x-csrf-token": page.csrf}
    assert page.client.get("/api/auth/me", headers=headers).status_code == 401
    assert page.client.get("/v1/models", headers=headers).status_code == 401


def test_a_token_in_the_body_needs_no_cookie_and_sets_none(api: Management, email: str) -> None:
    page = Page(api, email)
    other = api.login(email).json["refresh_token"]
    answer = page.client.post("/api/auth/refresh", json={"refresh_token": other})
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
