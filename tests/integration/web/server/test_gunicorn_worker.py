"""What a client can do to a connection, over real sockets."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.integration.web.server.conftest import STALL_SECONDS, StubServer, read_to_end
from tests.running import wait_until
from tollhouse.domain.errors import InvalidSetting
from tollhouse.web.server import check_address


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubServer]:
    """A server of its own for requests that leave a line in the log."""
    server = StubServer(tmp_path_factory.mktemp("refusing"), TOLLHOUSE_LOG_FORMAT="json")
    yield server
    server.stop(signal.SIGINT)


HEAD = b"GET %s HTTP/1.1\r\nHost: stub\r\n\r\n"
A_WHILE = STALL_SECONDS + 1.0
"""Longer than a stall may last, with room for a slow machine."""


def small_connection(server: StubServer) -> socket.socket:
    """A client that takes little before it has to read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    connection.settimeout(10)
    connection.connect(("127.0.0.1", server.port))
    return connection


def read_head(connection: socket.socket) -> bytes:
    """The head of an answer, and what has come of its body."""
    found = b""
    while b"\r\n\r\n" not in found:
        data = connection.recv(65_536)
        assert data, found
        found += data
    return found


def read_answer(connection: socket.socket) -> None:
    """The whole of a short answer."""
    head, _, body = read_head(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    missing = int(head.rpartition(b"Content-Length: ")[2]) - len(body)
    while missing:
        missing -= len(connection.recv(missing))


def seconds_until_end(connection: socket.socket, sending: bytes = b"") -> float:
    """How long the server keeps the connection, while a byte is sent now and then."""
    started = time.monotonic()
    connection.settimeout(0.1)
    while time.monotonic() - started < 8:
        try:
            if sending:
                connection.send(sending)
            if not connection.recv(65_536):
                break
        except TimeoutError:
            continue
        except (ConnectionResetError, BrokenPipeError):
            break
    return time.monotonic() - started


def bytes_until_cut(connection: socket.socket) -> int:
    """How much the server lets a client send that wants to send 1 GiB."""
    sent, piece = 0, b"x" * 65_536
    while sent < 1_073_741_824:
        try:
            connection.sendall(piece)
        except (ConnectionResetError, BrokenPipeError):
            break
        sent += len(piece)
    return sent


def read_without_end(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


def is_taken(port: int) -> bool:
    try:
        check_address("127.0.0.1", port)
    except InvalidSetting:
        return True
    return False


def ended_process() -> int:
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    return process.pid


def test_a_client_that_never_reads_is_cut_and_its_reply_closed(server: StubServer) -> None:
    with small_connection(server) as connection:
        connection.sendall(HEAD % b"/many")
        wait_until(lambda: server.events() == ["closed /many"], A_WHILE)
        with pytest.raises(ConnectionResetError):  # it is not to take this for the end
            read_without_end(connection)


def test_a_client_that_reads_slowly_gets_the_whole_of_a_large_reply(server: StubServer) -> None:
    with small_connection(server) as connection:
        connection.sendall(HEAD % b"/one")
        head, _, body = read_head(connection).partition(b"\r\n\r\n")
        size = int(head.rpartition(b"Content-Length: ")[2])
        started, received = time.monotonic(), len(body)
        while received < size:
            time.sleep(0.004)
            data = connection.recv(32_768)
            assert data, f"{received} of {size}"
            received += len(data)
        assert time.monotonic() - started > 2 * STALL_SECONDS


def test_a_reply_is_closed_when_its_client_goes_away(server: StubServer) -> None:
    with small_connection(server) as connection:
        connection.sendall(HEAD % b"/ticks?1000")
        read_head(connection)
    wait_until(lambda: server.events() == ["closed /ticks"], 2)


def test_a_quiet_stream_is_not_cut(server: StubServer) -> None:
    answer = server.get(f"/ticks?{int(3 * STALL_SECONDS / 0.1)}")
    assert answer.endswith(b"0\r\n\r\n")
    assert answer.count(b"tick") == 15


def test_a_half_sent_head_is_cut(server: StubServer) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHos")
        assert seconds_until_end(connection) < A_WHILE


def test_a_head_that_dribbles_is_cut(server: StubServer) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert seconds_until_end(connection, b"a") < A_WHILE


def test_a_connection_that_sends_nothing_is_cut(server: StubServer) -> None:
    with server.connect() as connection:
        assert seconds_until_end(connection) < A_WHILE


def test_a_connection_is_kept_longer_between_requests(server: StubServer) -> None:
    with server.connect() as connection:
        for _ in range(2):
            connection.sendall(HEAD % b"/")
            read_answer(connection)
            time.sleep(1.5 * STALL_SECONDS)


def test_a_body_that_never_comes_is_cut(server: StubServer) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST /read HTTP/1.1\r\nHost: stub\r\nContent-Length: 10\r\n\r\n12345")
        started = time.monotonic()
        assert read_to_end(connection).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - started < A_WHILE
    assert server.events() == ["stalled /read"]


def test_a_body_that_dribbles_is_cut(server: StubServer) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST /read HTTP/1.1\r\nHost: stub\r\nContent-Length: 1000000\r\n\r\n")
        assert seconds_until_end(connection, b"a") < 2 * STALL_SECONDS + 1
    assert server.events() == ["stalled /read"]


def test_a_client_that_goes_away_in_its_body_ends_it(server: StubServer) -> None:
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close with a reset
        connection.sendall(b"POST /read HTTP/1.1\r\nHost: stub\r\nContent-Length: 10\r\n\r\n12345")
        time.sleep(0.1)
    wait_until(lambda: server.events() == ["read 5"], 2)


def test_a_body_that_nobody_reads_does_not_spoil_the_connection(server: StubServer) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: stub\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000)
        read_answer(connection)
        connection.sendall(HEAD % b"/")
        read_answer(connection)


def test_a_refused_body_does_not_swallow_the_answer_of_a_client_that_closes(server: StubServer) -> None:
    with server.connect() as connection:
        head = b"POST / HTTP/1.1\r\nHost: stub\r\nConnection: close\r\nContent-Length: 8000000\r\n\r\n"
        connection.sendall(head + b"x" * 8_000_000)
        assert read_to_end(connection).startswith(b"HTTP/1.1 200")


CANARY = b"canary-4711-canary"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST /v1/chat/completions?key=" + CANARY + b" HTTP/9.9x\r\n\r\n", 400),
        (b"P(ST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer " + CANARY + b"\r\n\r\n", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nAuthorization" + CANARY + b"\r\n\r\n", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nX(y: " + CANARY + b"\r\n\r\n", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: " + CANARY + b"\r\n\r\n", 501),
        (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: " + CANARY + b"\r\n\r\n", 400),
        (b"POST /v1/chat/completions?" + CANARY * 1000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"POST /v1/chat/completions HTTP/1.1\r\nX: " + CANARY * 2000 + b"\r\n\r\n", 431),
    ],
)
def test_what_is_no_request_is_refused_in_json_and_quoted_nowhere(
    refusing: StubServer, request_bytes: bytes, status: int
) -> None:
    before = len(refusing.log())
    with refusing.connect() as connection:
        connection.sendall(request_bytes)
        head, _, body = read_to_end(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"content-type: application/json" in head
    assert json.loads(body)["error"]["type"] in ("invalid_request_error", "api_error")
    (line,) = refusing.log()[before:].splitlines()
    assert json.loads(line)["message"] == "request_unreadable"
    assert b"canary" not in head + body + line.encode()


def test_what_is_no_request_is_refused_in_the_dialect_of_its_path(refusing: StubServer) -> None:
    for path, member in ((b"/v1/messages", "request_id"), (b"/v1/models", "error"), (b"/api/keys", "code")):
        with refusing.connect() as connection:
            connection.sendall(b"GET %b HTTP/1.1\r\nbad header\r\n\r\n" % path)
            assert member in json.loads(read_to_end(connection).partition(b"\r\n\r\n")[2])


BROKEN_CHUNK = (
    b"POST %s HTTP/1.1\r\nHost: stub\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n" + HEAD % b"/"
)


def test_a_broken_chunk_is_refused_and_ends_its_connection(start: Callable[..., StubServer]) -> None:
    server = start()  # gunicorn logs a warning
    with server.connect() as connection:
        connection.sendall(BROKEN_CHUNK % b"/read")
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1
    assert "Traceback" not in server.log()


def test_nothing_after_a_broken_chunk_that_nobody_reads_is_taken_for_a_request(server: StubServer) -> None:
    with server.connect() as connection:
        connection.sendall(BROKEN_CHUNK % b"/")
        assert read_to_end(connection).count(b"HTTP/1.1") == 1


def test_a_huge_body_that_nobody_reads_is_cut_and_its_answer_arrives(server: StubServer) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: stub\r\nContent-Length: 1073741824\r\n\r\n")
        read_answer(connection)
        sent = bytes_until_cut(connection)
    assert sent < 128 * 1024 * 1024


def test_nobody_is_believed_about_where_a_call_comes_from(server: StubServer) -> None:
    with server.connect() as connection:
        connection.sendall(
            b"GET /environ?wsgi.url_scheme,REMOTE_ADDR,SCRIPT_NAME HTTP/1.1\r\nHost: stub\r\nConnection: close\r\n"
            b"X-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.9\r\nScript_Name: /environ\r\n\r\n"
        )
        body = read_to_end(connection).rpartition(b"\r\n\r\n")[2]
    assert body == b"wsgi.url_scheme=http\nREMOTE_ADDR=127.0.0.1\nSCRIPT_NAME="


def test_a_killed_process_is_replaced(server: StubServer) -> None:
    killed = server.worker()
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: server.worker() != killed, 4)


def test_a_stop_finishes_open_replies_and_waits_for_no_idle_client(start: Callable[..., StubServer]) -> None:
    server = start()
    with server.connect() as idle, server.connect() as streaming:
        idle.sendall(HEAD % b"/")
        read_answer(idle)
        streaming.sendall(HEAD % b"/ticks?10")
        head = read_head(streaming)
        assert server.stop() < 6
        assert (head + read_to_end(streaming)).endswith(b"0\r\n\r\n")
        assert read_to_end(idle) == b""
    assert sorted(server.events()) == ["closed /ticks", "services closed"]
    assert server.log() == ""
    assert not server.metrics_folder.exists()


def test_workers_of_a_killed_server_finish_their_replies_and_leave_the_address(
    start: Callable[..., StubServer],
) -> None:
    server = start(TOLLHOUSE_WEB_PROCESSES="2")
    with server.connect() as streaming:
        streaming.sendall(HEAD % b"/ticks?30")
        head = read_head(streaming)
        server.process.kill()
        server.process.wait()
        wait_until(lambda: not is_taken(server.port), 2)
        assert (head + read_to_end(streaming)).endswith(b"0\r\n\r\n")
    wait_until(lambda: server.events().count("services closed") == 2, 4)


def test_a_low_limit_of_open_files_is_raised(start: Callable[..., StubServer]) -> None:
    server = start("ulimit -Sn 64")
    with ExitStack() as clients:
        for _ in range(100):
            clients.enter_context(server.connect()).sendall(b"GET / HTTP/1.1\r\nHos")
        started = time.monotonic()
        assert server.get("/").startswith(b"HTTP/1.1 200")
        assert time.monotonic() - started < STALL_SECONDS


def test_too_many_clients_wait_their_turn(start: Callable[..., StubServer]) -> None:
    server = start("ulimit -n 64")
    with ExitStack() as clients:
        for _ in range(40):
            clients.enter_context(server.connect()).sendall(b"GET / HTTP/1.1\r\nHos")
        assert server.get("/").startswith(b"HTTP/1.1 200")
    assert server.log() == ""


def test_clients_leave_no_trace_in_the_log(server: StubServer) -> None:
    """Last: it looks back on all that the clients above did."""
    lines = [line for line in server.log().splitlines() if "SIGKILL" not in line]
    assert lines == []
