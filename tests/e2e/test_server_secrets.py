"""The server's secret is changed under a gateway that runs: two web processes, as users run it."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from openai import AuthenticationError, OpenAI

from tests.e2e.test_people import EMAIL, PASSWORD, Site
from tests.running import RunningGateway, wait_until

CREDENTIAL = "sk-of-the-host"
ANSWER = b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
ANSWER += b'"message":{"role":"assistant","content":"ok"}}],"usage":{"prompt_tokens":1,"completion_tokens":1,'
ANSWER += b'"total_tokens":2}}'


class Guarded(BaseHTTPRequestHandler):
    """A host that answers only to its credential."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        good = self.headers["authorization"] == f"Bearer {CREDENTIAL}"
        self.send_response(200 if good else 401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Guarded)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


@pytest.fixture
def gateway(tmp_path: Path, host: str) -> Iterator[RunningGateway]:
    gateway = RunningGateway(tmp_path / "home", TOLLHOUSE_WEB_PROCESSES="2", TOLLHOUSE_LOCAL_MODEL="off")
    added = ("--format", "openai", "--base-url", host, "--allow-private", "--api-key-env", "HOST_KEY")
    gateway.command("providers", "add", "guarded", *added, HOST_KEY=CREDENTIAL)
    gateway.command("models", "add", "guarded", "--provider", "guarded")
    yield gateway
    gateway.stop()


def call(client: OpenAI) -> None:
    """Twice, over two connections, so that both processes may be asked."""
    for _ in range(2):
        client.chat.completions.create(model="guarded", messages=[{"role": "user", "content": "x"}])


def test_nothing_ends_by_a_rotation_and_only_sign_ins_by_forgetting(gateway: RunningGateway) -> None:
    gateway.command("users", "create", EMAIL, "--role", "admin", "--password-stdin", given=f"{PASSWORD}\n")
    site = Site(gateway)
    pair = site.login()
    key, person = gateway.openai(), gateway.openai(pair["access_token"])
    failures: list[Exception] = []
    stop = threading.Event()

    def keep_calling() -> None:
        while not stop.is_set():
            try:
                call(gateway.openai())
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                failures.append(error)

    time.sleep(1.2)
    caller = threading.Thread(target=keep_calling, daemon=True)
    caller.start()
    for _ in range(2):
        gateway.command("secrets", "rotate")
        call(key)
        call(person)
        assert site.ask("GET", "/api/auth/me")[0] == 200
    status, renewed = site.ask("POST", "/api/auth/refresh", {"refresh_token": pair["refresh_token"]}, "none")
    assert status == 200
    young = gateway.openai(gateway.json("keys", "create", "--name", "young")["key"])
    time.sleep(1.2)
    call(young)
    time.sleep(10)  # until then `forget` refuses: not every process may know the newest
    gateway.command("secrets", "forget")
    wait_until(lambda: site.ask("GET", "/api/auth/me")[0] == 401, 2)
    time.sleep(1)
    stop.set()
    caller.join()
    assert not failures
    call(key)
    call(young)
    with pytest.raises(AuthenticationError):
        call(person)
    assert site.ask("GET", "/api/auth/me", token=renewed["access_token"])[0] == 200, "it was signed with the newest"
    site.login()
    assert site.ask("GET", "/api/auth/me")[0] == 200
    states = [one["state"] for one in gateway.json("secrets", "list")]
    assert states == ["newest", "forgotten", "forgotten"]
