"""Secrets and words are planted in every kind of input. A secret comes back nowhere; what callers and models say is in
no log, metric or span.
"""

import http.client
import json
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.collector import Collector, collecting
from tests.running import RunningGateway, wait_until

SECRET = "q7Zx"
"""In each secret, in a shape that no mask knows."""
CREDENTIAL, PASSWORD, SECRET_KEY = (
    f"cred-{SECRET}-upstream",
    f"Pass-{SECRET}-word-1",
    f"{SECRET}-key-of-the-gateway-{'k' * 32}",
)
WORD = "w0rdle"
"""In each word of a caller, and so in what the echo says."""


class TellTale:
    """A provider that quotes the credential that it refuses. At `url`; close it."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status = int(body["messages"][0]["content"].rpartition(" ")[2])
                said = {"error": {"message": f"What is {self.headers['authorization']}?", "type": "x", "code": "x"}}
                answer = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Seen:
    """A gateway, and all that anybody gets to see of it."""

    def __init__(self, gateway: RunningGateway, collector: Collector, log_file: Path) -> None:
        self.gateway, self.collector, self.log_file = gateway, collector, log_file
        self.answers: list[bytes] = []

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> int:
        """Send, keep what was answered; its status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=60)
        try:
            given = {"content-type": "application/json", "authorization": f"Bearer {self.gateway.key}"}
            data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, {**given, **{n.replace("_", "-"): v for n, v in headers.items()}})
            answer = connection.getresponse()
            self.answers.append(str(answer.headers).encode() + answer.read())
        finally:
            connection.close()
        return answer.status

    def chat(self, text: str = f"say {WORD}", model: str = "echo", /, **more: Any) -> int:
        headers = more.pop("headers", {})
        body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
        return self.send("POST", "/v1/chat/completions", body, **headers)

    def told(self) -> dict[str, bytes]:
        """What operators read."""
        self.send("GET", "/metrics")
        metrics = self.answers.pop()
        return {
            "log": self.gateway.output().encode(),
            "log file": self.log_file.read_bytes(),
            "spans": b"".join(self.collector.bodies) + repr(self.collector.resources).encode(),
            "metrics": metrics,
        }


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    host = TellTale()
    with (
        tempfile.TemporaryDirectory(prefix="tollhouse-planted-", ignore_cleanup_errors=True) as folder,
        collecting() as collector,
    ):
        log_file = Path(folder) / "gate.log"
        gateway = RunningGateway(
            Path(folder) / "home",
            TOLLHOUSE_WEB_PROCESSES="1",
            TOLLHOUSE_LOCAL_MODEL="off",
            TOLLHOUSE_LOG_FORMAT="json",
            TOLLHOUSE_LOG_LEVEL="DEBUG",
            TOLLHOUSE_LOG_FILE=str(log_file),
            TOLLHOUSE_SECRET_KEY=SECRET_KEY,
            TOLLHOUSE_ADMIN_PASSWORD=PASSWORD,
            TOLLHOUSE_ALERT_URL=f"http://127.0.0.1:1/{SECRET}/hook",
            TOLLHOUSE_SMTP_URL=f"smtp://user:{SECRET}-mail@127.0.0.1:1",
            TOLLHOUSE_MAIL_FROM="gate@example.com",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_EXPORTER_OTLP_HEADERS=f"x-token={SECRET}-collector",
        )
        try:
            gateway.command(
                *("providers", "add", "telltale", "--format", "openai", "--base-url", host.url, "--allow-private"),
                *("--api-key-env", "PLANTED"),
                PLANTED=CREDENTIAL,
            )
            gateway.command("models", "add", "telltale", "--provider", "telltale", "--upstream-model", "m")
            # The first is shown once, to whoever starts the gateway.
            gateway.key = gateway.json("keys", "create", "--name", "mine")["key"]
            seen = Seen(gateway, collector, log_file)
            wait_until(lambda: seen.chat("hello 500", "telltale") not in (401, 404), 30)
            yield seen
        finally:
            gateway.stop()
            host.close()


def check(seen: Seen, planted: str, *, answers: bool) -> None:
    """It is in nothing that operators read, nor, where it is to be secret, in any answer."""
    wait_until(lambda: len(seen.collector.spans) > 0, 30)
    for where, text in seen.told().items():
        at = text.find(planted.encode())
        assert at < 0, f"in the {where}: {text[max(0, at - 200) : at + 100]!r}"
    if answers:
        for answer in seen.answers:
            assert planted.encode() not in answer


def test_no_secret_comes_back_anywhere(seen: Seen) -> None:
    wrong = f"Bearer {SECRET}-no-key"
    assert seen.chat(headers={"authorization": wrong}) == 401
    assert seen.chat(headers={"authorization": "", "x_api_key": f"{SECRET}-no-key"}) == 401
    assert seen.send("GET", "/v1/models", authorization=f"Basic {SECRET}") == 401
    assert seen.send("GET", f"/v1/models?api_key={SECRET}") in (200, 404)
    assert seen.send("GET", f"/console?token={SECRET}", cookie=f"session={SECRET}") in (200, 302, 401, 404)
    assert seen.send("POST", "/api/auth/login", {"email": "admin@localhost", "password": f"{SECRET}-wrong"}) == 401
    assert seen.send("POST", "/api/auth/login", {"email": "admin@localhost", "password": PASSWORD}) == 200
    seen.answers.pop()  # the tokens
    assert seen.send("POST", "/api/auth/refresh", authorization=f"Bearer {SECRET}.a.b") in (400, 401)
    assert seen.send("POST", "/api/providers", {"name": "x", "credential": f"{SECRET}"}) in (400, 401, 403, 422)
    assert seen.chat(headers={"traceparent": SECRET, "tracestate": f"{SECRET}=é".encode().decode("latin-1")}) == 200
    for status in (401, 403, 500, 503):
        assert seen.chat(f"hello {status}", "telltale") >= 500
        assert seen.chat(f"hello {status}", "telltale", stream=True) >= 500
    check(seen, SECRET, answers=True)
    doctor = seen.gateway.command("doctor", status=1) + seen.gateway.command("settings")
    assert SECRET not in doctor
    check(seen, seen.gateway.key, answers=True)


def test_no_word_of_a_caller_or_a_model_is_told_to_operators(seen: Seen) -> None:
    assert seen.chat() == 200
    assert WORD.encode() in seen.answers[-1]
    assert seen.chat(stream=True) == 200
    assert seen.chat(user=WORD, metadata={WORD: WORD}, headers={"x_tollhouse_tags": WORD, "user_agent": WORD}) == 200
    tool = {"type": "function", "function": {"name": WORD, "description": WORD, "parameters": {"type": "object"}}}
    assert seen.chat(tools=[tool]) == 200
    assert seen.chat(WORD, WORD) == 404
    assert seen.chat(temperature=WORD) == 400
    assert seen.send("POST", "/v1/chat/completions", f'{{"model": "{WORD}'.encode()) == 400
    assert seen.send("POST", "/v1/messages", {"model": "echo", "max_tokens": 9, "system": WORD, "messages": [
        {"role": "user", "content": WORD}]}) == 200  # fmt: skip
    assert seen.send("POST", "/v1/embeddings", {"model": "echo", "input": [WORD]}) == 200
    assert seen.send("POST", "/v1/responses", {"model": "echo", "input": WORD, "instructions": WORD}) == 200
    assert seen.send("GET", f"/v1/responses/{WORD}") == 404
    assert seen.send("GET", f"/{WORD}?{WORD}={WORD}") == 404
    line = {"custom_id": WORD, "method": "POST", "url": "/v1/chat/completions", "body": {
        "model": "echo", "messages": [{"role": "user", "content": WORD}]}}  # fmt: skip
    client = seen.gateway.openai(timeout=60)
    file = client.files.create(file=(f"{WORD}.jsonl", json.dumps(line).encode()), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={WORD: WORD}
    )
    wait_until(lambda: client.batches.retrieve(batch.id).status in ("completed", "failed"), 60)
    response = client.responses.create(model="echo", input=WORD, background=True)
    wait_until(lambda: client.responses.retrieve(response.id).status in ("completed", "failed"), 60)
    check(seen, WORD, answers=False)
