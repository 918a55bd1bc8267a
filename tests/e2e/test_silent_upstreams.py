"""A client that leaves while its upstream says nothing: both ends are free within 2 s, and the call is booked."""

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator

import pytest

from tests.e2e.test_hang_ups import row_of, send
from tests.running import RunningGateway, wait_until

STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
WHOLE_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n"
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"word"}}]}\n\n'
SEEN_WITHIN = 2.0


class SilentUpstream:
    """Reads each request, says `beginning`, and then nothing until the gateway hangs up."""

    def __init__(self) -> None:
        self.beginning = b""
        self.asked = self.left = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(30)
            connection.recv(65_536)
            self.asked += 1
            connection.sendall(self.beginning)
            try:
                while connection.recv(65_536):
                    pass
            except ConnectionResetError:
                pass
            self.left += 1


@pytest.fixture(scope="module")
def known(running: RunningGateway) -> Iterator[SilentUpstream]:
    upstream = SilentUpstream()
    url = f"http://127.0.0.1:{upstream.port}/v1"
    running.command("providers", "add", "silent", "--format", "openai", "--base-url", url, "--allow-private")
    prices = ["--input-price", "1", "--output-price", "2"]
    running.command("models", "add", "silent", "--provider", "silent", "--upstream-model", "silent", *prices)
    time.sleep(1)
    yield upstream
    upstream.close()


@pytest.fixture
def silent(known: SilentUpstream) -> SilentUpstream:
    known.beginning, known.asked, known.left = b"", 0, 0
    return known


def leave(running: RunningGateway, silent: SilentUpstream, client: socket.socket, key_id: str) -> dict[str, object]:
    """Leave as soon as the upstream was asked; the row."""
    wait_until(lambda: silent.asked == 1)
    time.sleep(0.2)
    client.close()
    wait_until(lambda: silent.left == 1, SEEN_WITHIN, "the upstream's connection was kept")
    row = row_of(running, key_id)
    assert row["outcome"] == "client_gone"
    assert row["estimated"] == 1
    assert row["cost"] > 0
    return row


def send_whole(running: RunningGateway, key: str) -> socket.socket:
    body = json.dumps({"model": "silent", "messages": [{"role": "user", "content": "x"}]}).encode()
    client = socket.create_connection(("127.0.0.1", running.port))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nx-api-key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    client.sendall(head.encode() + body)
    return client


def test_a_client_that_leaves_before_the_upstream_has_answered(running: RunningGateway, silent: SilentUpstream) -> None:
    key = running.json("keys", "create", "--name", "before the status")
    leave(running, silent, send(running, "silent", key["key"]), key["id"])


def test_a_client_that_leaves_before_the_first_event(running: RunningGateway, silent: SilentUpstream) -> None:
    key = running.json("keys", "create", "--name", "before the event")
    silent.beginning = STREAM_HEAD
    leave(running, silent, send(running, "silent", key["key"]), key["id"])


def test_a_client_that_leaves_in_the_middle_of_a_stream(running: RunningGateway, silent: SilentUpstream) -> None:
    key = running.json("keys", "create", "--name", "in a stream")
    silent.beginning = STREAM_HEAD + EVENT * 3
    row = leave(running, silent, send(running, "silent", key["key"]), key["id"])
    assert row["status"] == 200
    assert row["output_tokens"]


def test_a_client_that_leaves_in_the_middle_of_a_whole_reply(running: RunningGateway, silent: SilentUpstream) -> None:
    key = running.json("keys", "create", "--name", "in a whole reply")
    silent.beginning = WHOLE_HEAD + b'{"id":"x",'
    leave(running, silent, send_whole(running, key["key"]), key["id"])


def test_a_client_that_only_ends_its_sending_counts_as_gone(running: RunningGateway, silent: SilentUpstream) -> None:
    key = running.json("keys", "create", "--name", "half closed")
    client = send(running, "silent", key["key"])
    wait_until(lambda: silent.asked == 1)
    client.shutdown(socket.SHUT_WR)
    assert client.recv(4096) == b""
    client.close()
    assert row_of(running, key["id"])["outcome"] == "client_gone"


def test_a_client_that_stays_is_waited_with_whatever_it_sends_early(
    running: RunningGateway, silent: SilentUpstream
) -> None:
    key = running.json("keys", "create", "--name", "patient")
    client = send(running, "silent", key["key"])
    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: silent.asked == 1)
    time.sleep(SEEN_WITHIN)
    assert silent.left == 0
    client.close()
    wait_until(lambda: silent.left == 1, SEEN_WITHIN, "an end behind bytes that came early was not seen")
    row_of(running, key["id"])


def test_a_client_that_leaves_while_its_call_waits_for_the_ledger(
    running: RunningGateway, silent: SilentUpstream
) -> None:
    key = running.json("keys", "create", "--name", "before the hold")
    locking = sqlite3.connect(running.home / "tollhouse.db", isolation_level=None)
    locking.execute("BEGIN IMMEDIATE")
    client = send(running, "silent", key["key"])
    time.sleep(0.2)
    client.close()
    time.sleep(1.0)
    locking.execute("ROLLBACK")
    locking.close()
    time.sleep(1.0)
    assert silent.asked == 0
    database = sqlite3.connect(running.home / "tollhouse.db")
    assert database.execute("SELECT count(*) FROM ledger WHERE key_id = ?", (key["id"],)).fetchone() == (0,)
    assert database.execute("SELECT count(*) FROM holds WHERE key_id = ?", (key["id"],)).fetchone() == (0,)
    database.close()
