"""What clients may reasonably send besides a body: spellings of the key, paths, headers of their own."""

import gzip
import json

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from tests.gateway import CHAT, EMBEDDINGS, MESSAGES, Gateway
from tests.ledgers import booked

BODY = {"model": "echo", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], "input": "hi"}


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer KEY"},
        {"authorization": "bearer  KEY"},
        {"authorization": "BEARER\tKEY "},
        {"authorization": "Bearer 'KEY'"},
        {"authorization": 'Bearer "KEY"'},
        {"authorization": '"Bearer KEY"'},
        {"authorization": "KEY"},
        {"x-api-key": "KEY"},
        {"x-api-key": " KEY "},
        {"x-api-key": '"KEY"'},
        {"x-api-key": "Bearer KEY"},
        {"api-key": "KEY"},
        # Of several headers the first that has a key counts: authorization, x-api-key, api-key.
        {"authorization": "Bearer KEY", "x-api-key": "another"},
        {"x-api-key": "KEY", "api-key": "another"},
        {"authorization": "Basic dXNlcjpwYXNz", "x-api-key": "KEY"},
        {"authorization": "Bearer ", "x-api-key": "KEY"},
        {"authorization": "", "x-api-key": "", "api-key": "KEY"},
    ],
)
def test_a_key_is_found_however_it_is_spelled(gateway: Gateway, headers: dict[str, str]) -> None:
    sent = {name: value.replace("KEY", gateway.key) for name, value in headers.items()}
    response = gateway.app.test_client().post(CHAT, json=BODY, headers=sent)
    assert response.status_code == 200
    assert gateway.app.test_client().get("/v1/models", headers=sent).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Basic KEY"},
        {"authorization": "Bearer KEY KEY"},
        {"authorization": "Bearer another", "x-api-key": "KEY"},
        {"x-api-key": "KEYx"},
    ],
)
def test_what_is_no_key_or_another_is_401(gateway: Gateway, headers: dict[str, str]) -> None:
    sent = {name: value.replace("KEY", gateway.key) for name, value in headers.items()}
    response = gateway.app.test_client().post(CHAT, json=BODY, headers=sent)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", [CHAT, MESSAGES, EMBEDDINGS, "/v1/messages/count_tokens"])
@pytest.mark.parametrize("query", ["?beta=true", "?api-version=2024-10-21", "?", "?a=%ff&a=b"])
def test_a_query_changes_nothing(gateway: Gateway, path: str, query: str) -> None:
    assert gateway.post(path + query, BODY).status_code == 200
    assert gateway.get(f"/v1/models{query}").status_code == 200


@pytest.mark.parametrize(
    "path", ["/v1//chat/completions", "/v1/chat//completions", "/v1/chat/completions/", "///v1/chat/completions//"]
)
def test_slashes_too_many_make_no_difference_to_a_call(gateway: Gateway, path: str) -> None:
    sent = {"authorization": f"Bearer {gateway.key}"}
    environ = {**EnvironBuilder(method="POST", json=BODY, headers=sent).get_environ(), "PATH_INFO": path}
    parts, status, _ = run_wsgi_app(gateway.app, environ, buffered=True)
    assert (status, json.loads(b"".join(parts))["object"]) == ("200 OK", "chat.completion")


def test_slashes_too_many_make_no_difference_to_other_paths(gateway: Gateway) -> None:
    assert gateway.get("/v1//models/").json["object"] == "list"
    assert gateway.get("/v1/models/echo/").json["id"] == "echo"


def test_the_probes_of_sdks_are_answered(gateway: Gateway) -> None:
    client = gateway.app.test_client()
    assert client.head("/").status_code == client.get("/").status_code == 200
    assert client.head("/v1").status_code == 404
    for path in (CHAT, MESSAGES):
        options = client.options(path)
        assert (options.status_code, sorted(options.headers["allow"].split(", "))) == (200, ["OPTIONS", "POST"])


@pytest.mark.parametrize(
    "headers",
    [
        {"x-stainless-retry-count": "2", "x-stainless-lang": "python", "x-stainless-read-timeout": "600"},
        {"accept": "text/event-stream"},
        {"accept": "application/json, text/plain;q=0.1"},
        {"content-type": ""},
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=utf-8"},
        {"content-encoding": "identity"},
        {
            "openai-organization": "org-1",
            "openai-project": "proj-1",
            "anthropic-dangerous-direct-browser-access": "true",
        },
        {"x-tollhouse-strict": "0"},
        {"x-tollhouse-strict": "TRUE"},
    ],
)
def test_headers_of_the_clients_own_change_nothing(gateway: Gateway, headers: dict[str, str]) -> None:
    response = gateway.post(CHAT, BODY, headers=headers)
    assert (response.status_code, response.content_type) == (200, "application/json")


@pytest.mark.parametrize("value", ["yes", "", "on", "2"])
def test_a_strictness_that_is_neither_yes_nor_no_is_named(gateway: Gateway, value: str) -> None:
    response = gateway.post(CHAT, BODY, headers={"x-tollhouse-strict": value})
    assert (response.status_code, response.json["error"]["param"]) == (400, "X-Tollhouse-Strict")
    assert booked(gateway.services.database) == []


def test_a_compressed_body_is_refused_and_says_why(gateway: Gateway) -> None:
    compressed = gzip.compress(json.dumps(BODY).encode())
    response = gateway.post(CHAT, compressed, headers={"content-encoding": "gzip"})
    assert (response.status_code, response.json["error"]["code"]) == (415, "unsupported_encoding")
    assert "Content-Encoding" in response.json["error"]["message"]
    response = gateway.post(MESSAGES, compressed, headers={"content-encoding": "gzip"})
    assert (response.status_code, response.json["error"]["type"]) == (415, "invalid_request_error")
