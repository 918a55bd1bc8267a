"""Bodies that take memory: what fits is served, what does not is refused, and nothing of it is kept."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway import CHAT, MESSAGES, Gateway, settings_for
from tollhouse import metrics
from tollhouse.web import body_memory

MEGABYTE = 1 << 20


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that has 4 MB for bodies."""
    gateway = Gateway(settings_for(tmp_path / "home", body_memory_bytes=4 * MEGABYTE))
    yield gateway
    gateway.close()


def taken() -> float:
    return metrics.BODY_MEMORY_BYTES._value.get()


def body(size: int, **fields: Any) -> dict[str, Any]:
    return {"model": "echo", "messages": [{"role": "user", "content": "x" * size}], "max_tokens": 5, **fields}


@pytest.mark.parametrize("size", [1, 65_000, 65_536, 100_000, 300_000, MEGABYTE])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_body_of_any_size_is_served_and_its_memory_given_back(small: Gateway, size: int, streamed: bool) -> None:
    for _ in range(6):
        response = small.post(CHAT, body(size, stream=streamed))
        assert response.status_code == 200, response.text
        assert taken() == 0


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"model": "no-such-model"}, 404),
        ({"messages": [{"role": "x" * 300_000}]}, 400),
        ({"x": [[]] * 500_000}, 413),
        ({"messages": [{"role": "user", "content": "x" * 3 * MEGABYTE}]}, 413),
    ],
)
def test_a_refusal_gives_the_memory_back(small: Gateway, fields: dict[str, Any], status: int) -> None:
    response = small.post(CHAT, body(300_000, **fields))
    assert (response.status_code, taken()) == (status, 0), response.text
    assert response.json is not None
    assert response.json["error"]["message"].endswith(".")


def test_a_large_body_that_is_no_json_gives_the_memory_back(small: Gateway) -> None:
    response = small.post(CHAT, b'{"model": "' + b"x" * MEGABYTE)
    assert (response.status_code, taken()) == (400, 0)


def test_a_failed_call_gives_the_memory_back(small: Gateway) -> None:
    small.add_echo("failing", "status=500")
    response = small.post(CHAT, body(300_000, model="failing"))
    assert response.status_code >= 500
    assert taken() == 0


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_without_memory_a_body_is_refused_in_the_callers_dialect(
    small: Gateway, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_memory.BodyMemory, "_fits", lambda *_, **__: False)
    memory = small.app.wsgi_app._memory  # type: ignore[attr-defined]
    monkeypatch.setattr(memory, "_wait_seconds", 0.05)
    response = small.post(path, body(300_000))
    assert response.status_code == {CHAT: 503, MESSAGES: 529}[path]
    assert int(response.headers["retry-after"]) >= 1
    error = response.json["error"] if response.json else {}
    assert "memory" in error["message"]
    assert (
        response.json
        == {
            CHAT: {"error": {"message": error["message"], "type": "api_error", "param": None, "code": "overloaded"}},
            MESSAGES: {
                "type": "error",
                "error": {"type": "overloaded_error", "message": error["message"]},
                "request_id": response.headers["x-request-id"],
            },
        }[path]
    )
    assert small.post(path, body(10)).status_code == 200
    assert small.get("/healthz").status_code == 200


def test_the_body_is_not_kept_while_the_reply_comes(small: Gateway) -> None:
    calls = []
    inference = small.services.serve().inference
    opened = inference.open
    inference.open = lambda principal, call: (calls.append(call), opened(principal, call))[1]  # type: ignore[method-assign]
    response = small.app.test_client().post(
        CHAT, data=json.dumps(body(300_000, stream=True)), headers={"authorization": f"Bearer {small.key}"}
    )
    with pytest.raises(RuntimeError, match="let go"):
        calls[0].body["messages"]
    assert taken() == 0
    assert b"[DONE]" in response.data
    response.close()
