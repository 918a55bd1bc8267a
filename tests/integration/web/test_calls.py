"""Calls are answered before Flask sees them; nobody outside can tell."""

import io
import json
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from tests.gateway import CHAT, EMBEDDINGS, MESSAGES, Gateway
from tests.ledgers import open_holds

BODY = {"model": "echo", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], "input": "hi"}


def _environ(gateway: Gateway, path: str, method: str = "POST", **headers: str) -> dict[str, Any]:
    """A request as the server hands it over: a test client would tidy the path up."""
    sent = {"authorization": f"Bearer {gateway.key}", **headers}
    environ = EnvironBuilder(method=method, data=json.dumps(BODY), headers=sent).get_environ()
    return {**environ, "PATH_INFO": path}


@pytest.mark.parametrize("path", [CHAT, MESSAGES, EMBEDDINGS])
@pytest.mark.parametrize("before", ["", "/", "//"])
def test_slashes_before_a_path_make_no_difference(gateway: Gateway, path: str, before: str) -> None:
    parts, status, headers = run_wsgi_app(gateway.app, _environ(gateway, before + path), buffered=True)
    assert (status, "error" in json.loads(b"".join(parts))) == ("200 OK", False)
    assert headers["x-request-id"] == gateway.rows()[0].request_id


@pytest.mark.parametrize("path", [CHAT, MESSAGES, EMBEDDINGS])
def test_a_call_is_posted_and_nothing_else(gateway: Gateway, path: str) -> None:
    for method in ("GET", "PUT", "HEAD"):
        _, status, headers = run_wsgi_app(gateway.app, _environ(gateway, path, method), buffered=True)
        assert (status.split()[0], headers["allow"]) == ("405", "OPTIONS, POST")
    assert gateway.rows(0) == []


def test_a_refused_call_is_named_once_for_its_headers_and_its_lines(
    gateway: Gateway, capfd: pytest.CaptureFixture[str]
) -> None:
    gateway.add_echo("failing", "status=500")
    capfd.readouterr()
    response = gateway.chat(model="failing")
    (row,) = gateway.rows()
    named = {json.loads(line).get("request_id") for line in capfd.readouterr().out.splitlines()}
    assert {response.headers["x-request-id"], row.request_id, *named} == {row.request_id}


def test_anthropics_sdk_finds_the_requests_name_where_it_looks_for_it(gateway: Gateway) -> None:
    for path, headers in ((MESSAGES, {}), (CHAT, {"anthropic-version": "2023-06-01"})):
        response = gateway.post(path, BODY, headers=headers)
        assert response.status_code == 200
        assert response.headers["request-id"] == response.headers["x-request-id"]
        refused = gateway.post(path, {**BODY, "model": "unknown"}, headers=headers)
        assert refused.headers["request-id"] == refused.json["request_id"] == refused.headers["x-request-id"]
    assert "request-id" not in gateway.chat().headers


def test_a_server_that_takes_no_answer_gets_the_call_settled_all_the_same(gateway: Gateway) -> None:
    def start_response(*_: Any) -> Any:
        raise OSError("the server is done with this client")

    with pytest.raises(OSError, match="done with this client"):
        gateway.app(_environ(gateway, CHAT), start_response)
    assert len(gateway.rows()) == 1
    assert open_holds(gateway.services.database) == []


def test_a_body_that_ends_too_early_is_told_so(gateway: Gateway) -> None:
    environ = {**_environ(gateway, CHAT), "wsgi.input": io.BytesIO(b'{"model"')}
    parts, status, _ = run_wsgi_app(gateway.app, environ, buffered=True)
    assert status.startswith("400")
    assert "ended before the length" in json.loads(b"".join(parts))["error"]["message"]
