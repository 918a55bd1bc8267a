"""Batches for tests: files of lines, uploaded and worked off in this process."""

import json
from collections.abc import Iterable
from typing import Any

from tests.gateway import CHAT, Gateway
from tollhouse.services.batches.files import read_new_file

BATCHES = "/v1/batches"
LONG = 400
"""Lines: more than are claimed at once, so that `run_in_part` leaves some on a fast machine too."""


class NoQueue:
    """In place of Redis: remembers who was to be woken."""

    def __init__(self) -> None:
        self.woken: list[str] = []

    def enqueue(self, kind: str) -> bool:
        self.woken.append(kind)
        return True

    def ping(self) -> bool:
        return True

    def close(self) -> None: ...


def line(custom_id: str, text: str = "hello", model: str = "m", url: str = CHAT, **body: Any) -> dict[str, Any]:
    asked = {"model": model, "messages": [{"role": "user", "content": text}], **body}
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": asked}


def jsonl(lines: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in lines)


def keep(gateway: Gateway, content: bytes, key: str | None = None) -> str:
    """A file of the key's team; its id."""
    services = gateway.services
    principal = services.authentication.principal(key or gateway.key)
    incoming = services.files.receive()
    incoming.write(content)
    file = services.files.add(principal, incoming, read_new_file({"purpose": "batch"}, "calls.jsonl"))
    incoming.close()
    return str(file["id"])


def submit(gateway: Gateway, content: bytes, *, endpoint: str = CHAT, key: str | None = None, **fields: Any) -> Any:
    """The batch, as it is answered."""
    asked = {"input_file_id": keep(gateway, content, key), "endpoint": endpoint, "completion_window": "24h", **fields}
    response = gateway.post(BATCHES, asked, key=key)
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.json


def shown(gateway: Gateway, id: str, key: str | None = None) -> Any:
    return gateway.get(f"{BATCHES}/{id}", authorization=f"Bearer {key or gateway.key}").json


def run(gateway: Gateway, id: str, seconds: float = 5.0) -> Any:
    """Work, and show the batch then."""
    gateway.services.run_batches(seconds)
    return shown(gateway, id)


def lines_of(gateway: Gateway, file_id: str | None) -> list[Any]:
    if file_id is None:
        return []
    content = gateway.get(f"/v1/files/{file_id}/content").get_data()
    assert content.endswith(b"\n")
    return [json.loads(one) for one in content.splitlines()]


def run_in_part(gateway: Gateway, id: str, key: str | None = None) -> Any:
    """Work until some lines of the batch have ended, and not all; show it then."""
    for _ in range(100):
        gateway.services.run_batches(0.2)
        batch = shown(gateway, id, key)
        if batch["request_counts"]["completed"]:
            break
    assert 0 < batch["request_counts"]["completed"] < batch["request_counts"]["total"]
    return batch
