"""Browsers of other origins, and proxies that say whom they speak for."""

from pathlib import Path
from typing import Any

import pytest

from tests.gateway import Gateway, settings_for
from tests.integration.api.management import EMAIL, PASSWORD, Management
from tollhouse.settings import load

HERE = "https://console.example.com"


@pytest.fixture(scope="module")
def open_api(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home: Path = tmp_path_factory.mktemp("browsers") / "home"
    environment = {
        "TOLLHOUSE_CORS_ORIGINS": f"{HERE}, https://other.example.com",
        "TOLLHOUSE_TRUSTED_PROXIES": "10.0.0.0/8",
    }
    read = load(environment, home / ".env")
    settings = settings_for(
        home, admin_password=PASSWORD, cors_origins=read.cors_origins, trusted_proxies=read.trusted_proxies
    )
    gateway = Gateway(settings)
    yield Management(gateway)
    gateway.close()


def test_pages_of_listed_origins_may_use_the_api(open_api: Management) -> None:
    asked = open_api.ask(
        "OPTIONS", "/keys", origin=HERE, access_control_request_method="PATCH",
        access_control_request_headers="authorization, if-match",
    )  # fmt: skip
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == HERE
    assert "PATCH" in asked.headers["access-control-allow-methods"]
    answer = open_api.get("/auth/me", open_api.owner(), origin=HERE)
    assert answer.headers["access-control-allow-origin"] == HERE
    assert "Origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", ["/providers", "/models", "/budgets", "/limits"])
def test_so_they_may_change_what_is_set_up_and_read_what_went_wrong(open_api: Management, path: str) -> None:
    asked = open_api.ask(
        "OPTIONS", f"{path}/some-id", origin=HERE, access_control_request_method="PATCH",
        access_control_request_headers="authorization, content-type, if-match, idempotency-key",
    )  # fmt: skip
    assert asked.headers["access-control-allow-origin"] == HERE
    assert "DELETE" in asked.headers["access-control-allow-methods"]
    allowed = asked.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("authorization", "content-type", "if-match", "idempotency-key"))
    owner = open_api.owner()
    refused = (
        (401, open_api.get(path, origin=HERE)),
        (400, open_api.post(path, {"nonsense": 1}, owner, origin=HERE)),
        (404, open_api.get(f"{path}/nothing", owner, origin=HERE)),
    )
    for status, answer in refused:
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == HERE
        assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()


@pytest.mark.parametrize(
    "origin", ["https://evil.example.com", "null", f"{HERE}.evil.com", "http://console.example.com"]
)
def test_pages_of_other_origins_may_not(open_api: Management, origin: str) -> None:
    for answer in (
        open_api.get("/auth/me", open_api.owner(), origin=origin),
        open_api.ask("OPTIONS", "/keys", origin=origin, access_control_request_method="GET"),
    ):
        assert "access-control-allow-origin" not in answer.headers


def test_without_a_list_no_page_may(api: Management) -> None:
    assert "access-control-allow-origin" not in api.get("/auth/me", api.owner(), origin=HERE).headers


def signed_in_from(api: Management, peer: str, forwarded: str) -> str:
    client = api.gateway.app.test_client()
    answer = client.post(
        "/api/auth/login",
        json={"email": EMAIL, "password": PASSWORD},
        headers={"x-forwarded-for": forwarded},
        environ_base={"REMOTE_ADDR": peer},
    )
    assert answer.status_code == 200
    entry = api.get("/audit?action=auth.sign_in&limit=1", api.owner()).json["data"][0]
    return str(entry["address"])


def test_a_trusted_proxy_is_believed_about_whom_it_heard_from(open_api: Management) -> None:
    assert signed_in_from(open_api, "10.0.0.1", "198.51.100.9, 192.0.2.7") == "192.0.2.7"
    assert signed_in_from(open_api, "10.0.0.1", "192.0.2.7, 10.9.9.9") == "192.0.2.7"
    assert signed_in_from(open_api, "10.0.0.1", "nonsense") == "10.0.0.1"


def test_nobody_else_is(open_api: Management, api: Management) -> None:
    assert signed_in_from(open_api, "203.0.113.5", "192.0.2.7") == "203.0.113.5"
    assert signed_in_from(api, "10.0.0.1", "192.0.2.7") == "10.0.0.1"
