"""Clients that leave, or read nothing, over real sockets: each leaves exactly one ledger row, and nothing held."""

import json
import socket
import sqlite3
import struct
import time
from typing import Any

import pytest

from tests.running import RunningGateway, wait_until


@pytest.fixture(scope="module")
def talkative(running: RunningGateway) -> str:
    """A model that says a lot, slowly enough to leave in the middle."""
    running.command("providers", "add", "talkative", "--format", "echo", "--base-url", "echo:?words=60000&delay_ms=300")
    running.command(
        "models",
        "add",
        "talkative",
        "--provider",
        "talkative",
        "--upstream-model",
        "echo",
        "--input-price",
        "1",
        "--output-price",
        "2",
    )
    time.sleep(1)
    return "talkative"


def send(running: RunningGateway, model: str, key: str, *, receive_buffer: int | None = None) -> socket.socket:
    body = json.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": "x"}]}).encode()
    client = socket.socket()
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(10)
    client.connect(("127.0.0.1", running.port))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nx-api-key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    client.sendall(head.encode() + body)
    return client


def row_of(running: RunningGateway, key_id: str) -> dict[str, Any]:
    """The one row of the key, once it is there and nothing of it is held."""
    database = sqlite3.connect(running.home / "tollhouse.db")
    database.row_factory = sqlite3.Row

    def rows() -> list[sqlite3.Row]:
        return database.execute("SELECT * FROM ledger WHERE key_id = ?", (key_id,)).fetchall()

    wait_until(lambda: len(rows()) == 1, 15, "no row in the ledger")
    wait_until(lambda: not database.execute("SELECT 1 FROM holds WHERE key_id = ?", (key_id,)).fetchall(), 5)
    time.sleep(0.3)
    (row,) = rows()
    database.close()
    return dict(row)


def test_a_client_that_leaves_in_the_middle(running: RunningGateway, talkative: str) -> None:
    key = running.json("keys", "create", "--name", "middle")
    client = send(running, talkative, key["key"])
    while b"data: " not in client.recv(4096):
        pass
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    row = row_of(running, key["id"])
    assert (row["outcome"], row["estimated"], row["streamed"]) == ("client_gone", 1, 1)
    assert 0 < row["output_tokens"] < 60_000
    assert row["cost"] > 0


def test_a_client_that_leaves_before_the_first_byte(running: RunningGateway, talkative: str) -> None:
    key = running.json("keys", "create", "--name", "early")
    send(running, talkative, key["key"]).close()
    row = row_of(running, key["id"])
    assert row["outcome"] == "client_gone"


def test_a_client_that_never_reads(running: RunningGateway, talkative: str) -> None:
    key = running.json("keys", "create", "--name", "deaf")
    client = send(running, talkative, key["key"], receive_buffer=4096)
    row = row_of(running, key["id"])
    client.close()
    assert row["outcome"] == "client_gone"
    assert row["output_tokens"] < 60_000
