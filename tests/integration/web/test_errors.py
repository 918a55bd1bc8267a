"""What a caller is told when something is wrong: in its own dialect, naming the field, costing nothing."""

import json
import time
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from tests.gateway import CHAT, EMBEDDINGS, MESSAGES, Gateway, settings_for
from tests.ledgers import booked, open_holds
from tollhouse.domain.errors import UpstreamRejected

USER = [{"role": "user", "content": "hi"}]


def complaint(response: TestResponse) -> str:
    return str(response.json["error"]["message"])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"[]", "invalid_json"),
        (b'"text"', "invalid_json"),
        (b'{"model": NaN}', "invalid_json"),
        (b'{"model": "\xff"}', "invalid_json"),
        (b'{"model": "echo", "seed": 123456789012345678901234567890}', "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "invalid_json"),
        (json.dumps({"model": "echo"}).encode(), "invalid_value"),
        (json.dumps({"messages": USER}).encode(), "invalid_value"),
        (json.dumps({"model": 5, "messages": USER}).encode(), "invalid_value"),
        (json.dumps({"model": "echo", "messages": []}).encode(), "invalid_value"),
        (json.dumps({"model": "echo", "messages": "hi"}).encode(), "invalid_value"),
        (json.dumps({"model": "echo", "messages": [1]}).encode(), "invalid_value"),
        (json.dumps({"model": "echo", "messages": USER, "n": 0}).encode(), "invalid_value"),
        (json.dumps({"model": "echo", "messages": USER, "max_tokens": -1}).encode(), "invalid_value"),
        (json.dumps({"model": "echo", "messages": USER, "stream": "yes"}).encode(), "invalid_value"),
    ],
)
def test_a_bad_body_is_a_400_that_costs_nothing(gateway: Gateway, body: bytes, code: str) -> None:
    for path in (CHAT, MESSAGES, EMBEDDINGS):
        response = gateway.post(path, body)
        if path == EMBEDDINGS and code == "invalid_value":
            continue
        assert response.status_code == 400, (path, response.json)
        if path == CHAT:
            assert response.json["error"]["code"] == code
        elif path == MESSAGES:
            assert response.json["type"] == "error"
            assert response.json["error"]["type"] == "invalid_request_error"
            assert response.json["request_id"] == response.headers["request-id"]
    assert booked(gateway.services.database) == []
    assert open_holds(gateway.services.database) == []


def test_the_field_that_is_wrong_is_named(gateway: Gateway) -> None:
    response = gateway.post(CHAT, {"model": "echo", "messages": [*USER, {"role": "boss"}]})
    assert response.json["error"]["param"] == "messages[1].role"
    assert complaint(response).startswith("messages[1].role: ")
    response = gateway.post(MESSAGES, {"model": "echo", "messages": USER})
    assert "max_tokens" in complaint(response)


def test_a_prompt_is_not_quoted_in_a_complaint(gateway: Gateway) -> None:
    prompt = "a secret that is longer than what a complaint may quote, by far"
    response = gateway.post(CHAT, {"model": "echo", "messages": prompt})
    assert "secret" not in complaint(response)


def test_an_unknown_model_is_a_404_with_the_nearest_names(gateway: Gateway) -> None:
    response = gateway.chat(model="ecko")
    assert (response.status_code, response.json["error"]["code"]) == (404, "model_not_found")
    assert "'echo'" in complaint(response)


@pytest.mark.parametrize("path", [CHAT, MESSAGES, EMBEDDINGS])
def test_no_key_and_wrong_keys_are_401_before_the_body_is_looked_at(gateway: Gateway, path: str) -> None:
    for key in ("", "sk-th-" + "a" * 40, "sk-proj-xyz", gateway.key[:-1], gateway.key + "x", "\u00fc"):
        response = gateway.post(path, b"{", headers={"authorization": f"Bearer {key}".encode().decode("latin-1")})
        assert response.status_code == 401
    assert gateway.post(path, b"{", headers={"authorization": ""}).status_code == 401


def test_a_key_comes_in_either_header(gateway: Gateway) -> None:
    body = {"model": "echo", "messages": USER}
    assert gateway.post(CHAT, body, headers={"authorization": "", "x-api-key": gateway.key}).status_code == 200
    assert gateway.post(CHAT, body, headers={"authorization": f"bearer  {gateway.key} "}).status_code == 200


def test_a_key_that_was_never_ours_is_refused_without_the_database(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> None:
        raise AssertionError("the database was asked")

    monkeypatch.setattr(gateway.services.authentication._database, "read", read)
    assert gateway.post(CHAT, b"{}", key="sk-th-" + "a" * 40).status_code == 401


def test_a_revoked_and_an_expired_key_are_told_apart(gateway: Gateway) -> None:
    revoked = gateway.services.keys.create("r")
    expiring = gateway.services.keys.create("e", expires_at=datetime.now(UTC) + timedelta(seconds=0.2))
    gateway.services.keys.revoke(revoked.id)
    assert gateway.post(CHAT, b"{}", key=revoked.key).json["error"]["code"] == "revoked_api_key"
    assert gateway.post(CHAT, b"{}", key=expiring.key).status_code == 400
    time.sleep(0.25)
    assert gateway.post(CHAT, b"{}", key=expiring.key).json["error"]["code"] == "expired_api_key"


def test_a_key_is_held_to_its_models(gateway: Gateway) -> None:
    gateway.add_echo("other", "")
    key = gateway.services.keys.create("narrow", models=["other"]).key
    body = {"model": "echo", "messages": USER}
    assert gateway.post(CHAT, body, key=key).status_code == 403
    assert gateway.post(CHAT, {**body, "model": "other"}, key=key).status_code == 200
    listed = gateway.app.test_client().get("/v1/models", headers={"x-api-key": key or ""}).json
    assert [model["id"] for model in listed["data"]] == ["other"]


def test_a_body_over_the_cap_is_413(tmp_path: Path) -> None:
    gateway = Gateway(settings_for(tmp_path, max_body_bytes=2000))
    assert gateway.chat("x" * 3000).status_code == 413
    assert gateway.chat("x" * 3000).json["error"]["code"] == "request_too_large"
    body = {"model": "echo", "max_tokens": 5, "messages": [{"role": "user", "content": "x" * 3000}]}
    assert gateway.post(MESSAGES, body).json["error"]["type"] == "request_too_large"
    assert gateway.chat("x" * 1000).status_code == 200
    gateway.close()


def test_a_body_without_a_length_is_held_to_the_cap_and_not_cut_there(tmp_path: Path) -> None:
    gateway = Gateway(settings_for(tmp_path, max_body_bytes=2000))
    body = json.dumps({"model": "echo", "messages": USER}).encode().ljust(3000)
    response = gateway.app.test_client().post(
        CHAT,
        input_stream=BytesIO(body),
        headers={"x-api-key": gateway.key},
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )
    assert response.status_code == 413
    gateway.close()


def test_a_gateway_that_is_pointed_at_itself_stops_at_the_first_hop(gateway: Gateway) -> None:
    response = gateway.post(CHAT, {"model": "echo", "messages": USER}, headers={"x-tollhouse-hop": "1"})
    assert response.status_code == 400


def test_paths_and_methods_that_are_not_there_are_told_in_the_right_shape(gateway: Gateway) -> None:
    assert gateway.get("/v1/nothing").json["error"]["code"] == "not_found"
    assert gateway.get("/v1/messages/nothing").json["type"] == "error"
    assert gateway.get(CHAT).status_code == 405
    problem = gateway.get("/nothing")
    assert problem.content_type == "application/problem+json"
    assert problem.json["status"] == 404


@pytest.mark.parametrize("path", ["/v1/engines", "/v1/engines/echo/completions", "/v1/engines/", "/v1", "/v1/"])
def test_a_path_that_vendors_had_once_is_a_404_in_the_shape_that_the_sdk_reads(gateway: Gateway, path: str) -> None:
    response = gateway.post(path, {"model": "echo", "messages": USER})
    assert (response.status_code, response.json["error"]["code"]) == (404, "not_found")
    response = gateway.post(path, {"model": "echo", "messages": USER}, headers={"anthropic-version": "2023-06-01"})
    assert (response.status_code, response.json["error"]["type"]) == (404, "not_found_error")


def test_a_base_url_with_its_version_twice_or_never_is_told_what_is_meant(gateway: Gateway) -> None:
    for path, meant in {"/v1/v1/messages": MESSAGES, "/chat/completions": CHAT}.items():
        response = gateway.post(path, {})
        assert response.status_code == 404
        assert f"Is {meant} meant?" in response.get_data(as_text=True)
    assert "meant" not in gateway.get("/v1/nothing").get_data(as_text=True)


OPENAI_SAYS = b'{"error": {"message": "too odd", "type": "invalid_request_error", "param": "x", "code": "odd"}}'
ANTHROPIC_SAYS = b'{"type": "error", "error": {"type": "invalid_request_error", "message": "too odd"}}'


def refused_with(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, path: str, body: bytes) -> TestResponse:
    def refuse(*_: object) -> None:
        raise UpstreamRejected(
            "The provider acme answered with status 400.", status=400, body=body, content_type="application/json"
        )

    monkeypatch.setattr(gateway.services.serve().inference._admission, "admit", refuse)
    return gateway.post(path, {"model": "echo", "max_tokens": 5, "messages": USER})


@pytest.mark.parametrize(("path", "body"), [(CHAT, OPENAI_SAYS), (MESSAGES, ANTHROPIC_SAYS)])
def test_a_providers_error_in_the_callers_dialect_is_relayed_as_it_is(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, path: str, body: bytes
) -> None:
    response = refused_with(gateway, monkeypatch, path, body)
    assert (response.status_code, response.get_data()) == (400, body)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, ANTHROPIC_SAYS),
        (MESSAGES, OPENAI_SAYS),
        (CHAT, b'{"error": "too odd"}'),
        (MESSAGES, b'{"detail": "too odd"}'),
        (CHAT, b'{"object": "error", "message": "too odd"}'),
    ],
)
def test_a_providers_error_of_another_shape_is_told_in_the_callers_dialect(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, path: str, body: bytes
) -> None:
    response = refused_with(gateway, monkeypatch, path, body)
    assert response.status_code == 400
    field = "x: " if (path, body) == (MESSAGES, OPENAI_SAYS) else ""
    assert complaint(response) == f"The provider acme answered with status 400: {field}too odd"
    assert response.json["error"]["type"] == "invalid_request_error"
    assert (response.json.get("type") == "error") == (path == MESSAGES)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"error": null}', b'{"error": {"message": 5}}'])
def test_a_providers_error_that_says_nothing_is_told_by_its_status(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    response = refused_with(gateway, monkeypatch, CHAT, body)
    assert (response.status_code, complaint(response)) == (400, "The provider acme answered with status 400.")


def test_without_the_database_a_key_that_is_not_known_yet_is_503_and_not_500(gateway: Gateway) -> None:
    key = gateway.services.keys.create("new").key
    with gateway.services.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE api_keys RENAME TO away")
    response = gateway.post(CHAT, {"model": "echo", "messages": USER}, key=key)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


def test_a_providers_absurd_wish_to_wait_is_not_a_defect(gateway: Gateway) -> None:
    gateway.add_echo("busy", "status=429&retry_after=86400")
    response = gateway.chat(model="busy")
    assert (response.status_code, response.headers["retry-after"]) == (429, "3600")


def test_a_defect_of_ours_is_a_500_that_tells_nothing(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the secret is 42")

    monkeypatch.setattr(gateway.services.serve().inference._admission, "admit", fail)
    response = gateway.chat()
    assert response.status_code == 500
    assert "42" not in response.get_data(as_text=True)
    assert response.headers["x-request-id"] in complaint(response)
