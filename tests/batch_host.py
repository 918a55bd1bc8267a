"""Hosts that have batches of their own, as OpenAI's and Anthropic's are, in this process: what they were sent, what
they answered, and what they would bill.
"""

import json
import random
import re
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

INPUT, OUTPUT = 7, 5
"""Tokens of each answer."""
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ENDED = ("completed", "failed", "expired", "cancelled", "ended")


class BatchHost:
    """Each look at a batch moves it on by one step, from validating to its end. What a line says decides what becomes
    of it: `bad` is refused, `slow` expires or is cancelled with its batch, `lost` has no result at all. Close it.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.requests: dict[str, list[dict[str, Any]]] = {}
        """Of each batch."""
        self.results: dict[str, list[dict[str, Any]]] = {}
        self.cancelled: set[str] = set()
        self.deleted: list[str] = []
        self.looks = 0
        self.answered: Counter[str] = Counter()
        """What was answered in batches, and would be billed, by what was said."""
        self.direct: Counter[str] = Counter()
        """What was asked outside of them."""
        self.keys: set[str] = set()
        self.faults: list[tuple[str, int]] = []
        """Beginnings of request lines, each answered once with that status instead."""
        self.steps = ("validating", "in_progress", "finalizing", "completed")
        self.refuses: str | None = None
        """Why every batch fails as a whole."""
        self.mute = 0
        """How many batches are made, and whoever asked for them is told 500."""
        self.late = 0
        """How often results are read before all of them are there."""
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.host = self
        self.root = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.openai, self.anthropic = f"{self.root}/v1", self.root
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    # --- As OpenAI's ----------------------------------------------------------------------------------------------

    def create(self, asked: dict[str, Any]) -> dict[str, Any]:
        id = f"batch_{len(self.batches):04}"
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        assert len({line["custom_id"] for line in lines}) == len(lines), "custom ids are not unique"
        assert {line["url"] for line in lines} == {asked["endpoint"]}
        assert {line["method"] for line in lines} == {"POST"}
        assert asked["completion_window"] == "24h"
        self.requests[id] = [{"custom_id": line["custom_id"], "body": line["body"]} for line in lines]
        self.batches[id] = {
            "id": id,
            "object": "batch",
            "status": self.steps[0],
            "created_at": int(time.time()),
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "output_file_id": None,
            "error_file_id": None,
            "errors": None,
            **asked,
        }
        return self.batches[id]

    def look(self, id: str) -> dict[str, Any]:
        self.looks += 1
        batch = self.batches[id]
        if "processing_status" in batch:
            return self._look_as_anthropic(batch)
        if self.refuses and batch["status"] == self.steps[0]:
            error = {"code": "invalid_request", "message": self.refuses, "line": 1, "param": None}
            batch.update(status="failed", errors={"object": "list", "data": [error]})
        elif batch["status"] not in _ENDED:
            batch["status"] = "cancelled" if id in self.cancelled else self.steps[self.steps.index(batch["status"]) + 1]
            batch["request_counts"]["total"] = len(self.requests[id])
            if batch["status"] in _ENDED:
                self._end(batch)
        return batch

    def _end(self, batch: dict[str, Any]) -> None:
        whole = batch["status"] == "completed"
        good, bad = [], []
        for request in self._shuffled(batch["id"]):
            said, answer = _said(request["body"]), None
            if said.startswith("lost") or (not whole and said.startswith("slow") and batch["status"] == "cancelled"):
                continue
            if not whole and said.startswith("slow"):
                error = {"code": "batch_expired", "message": "This request could not be executed in time."}
                bad.append({"id": "r", "custom_id": request["custom_id"], "response": None, "error": error})
                continue
            status, answer = (400, _refusal()) if said.startswith("bad") else (200, _at(batch["endpoint"], request))
            line = {"id": "r", "custom_id": request["custom_id"], "error": None}
            line["response"] = {"status_code": status, "request_id": "theirs", "body": answer}
            (good if status == 200 else bad).append(line)
            self.answered[said] += status == 200
        batch["request_counts"] |= {"completed": len(good), "failed": len(self.requests[batch["id"]]) - len(good)}
        for name, lines in (("output_file_id", good), ("error_file_id", bad)):
            if lines:
                batch[name] = f"file-{batch['id']}-{name[:3]}"
                self.files[batch[name]] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    # --- As Anthropic's -------------------------------------------------------------------------------------------

    def create_messages(self, asked: dict[str, Any]) -> dict[str, Any]:
        id = f"msgbatch_{len(self.batches):04}"
        ids = [request["custom_id"] for request in asked["requests"]]
        assert len(set(ids)) == len(ids)
        assert all(_CUSTOM_ID.fullmatch(one) for one in ids)
        self.requests[id] = [{"custom_id": one["custom_id"], "body": one["params"]} for one in asked["requests"]]
        counts = {"processing": len(ids), "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
        now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
        self.batches[id] = {
            "id": id,
            "type": "message_batch",
            "processing_status": "in_progress",
            "request_counts": counts,
            "created_at": now,
            "expires_at": now,
            "ended_at": None,
            "results_url": "http://127.0.0.1:1/elsewhere",
            "looks": 0,
        }
        return self.batches[id]

    def _look_as_anthropic(self, batch: dict[str, Any]) -> dict[str, Any]:
        batch["looks"] += 1
        if batch["processing_status"] == "ended" or batch["looks"] < len(self.steps) - 1:
            return batch
        expires = "expired" in self.steps
        results: list[dict[str, Any]] = []
        counts: Counter[str] = Counter()
        for request in self._shuffled(batch["id"]):
            said = _said(request["body"])
            if said.startswith("lost"):
                counts["succeeded"] += 1
                continue
            result: dict[str, Any] = {"type": "succeeded", "message": _message(request["body"])}
            if said.startswith("bad"):
                error = {"type": "invalid_request_error", "message": "max_tokens: too many"}
                result = {"type": "errored", "error": {"type": "error", "error": error, "request_id": "theirs"}}
            elif said.startswith("slow") and (expires or batch["id"] in self.cancelled):
                result = {"type": "canceled" if batch["id"] in self.cancelled else "expired"}
            counts[result["type"]] += 1
            self.answered[said] += result["type"] == "succeeded"
            results.append({"custom_id": request["custom_id"], "result": result})
        self.results[batch["id"]] = results
        batch["processing_status"] = "ended"
        batch["request_counts"] = {name: counts[name] for name in batch["request_counts"]}
        return batch

    def _shuffled(self, id: str) -> list[dict[str, Any]]:
        return random.Random(7).sample(self.requests[id], len(self.requests[id]))

    def results_of(self, id: str) -> bytes:
        return _jsonl(self.results[id])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    host: BatchHost

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that was reset: whoever asked was killed."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        host, path = self._begin()
        if path is None:
            return
        if path in ("/v1/batches", "/v1/messages/batches"):
            self._list(path)
        elif found := re.fullmatch(r"/v1/files/([^/]+)/content", path):
            self._send_lines(host.files[found[1]])
        elif found := re.fullmatch(r"/v1/messages/batches/([^/]+)/results", path):
            self._send_lines(host.results_of(found[1]))
        elif found := re.fullmatch(r"/v1/(?:messages/)?batches/([^/]+)", path):
            self._send(200, host.look(found[1]))
        elif path == "/v1/models":
            self._send(200, {"data": []})
        else:
            self._send(404, {"error": {"message": "no such thing"}})

    def do_DELETE(self) -> None:
        host, path = self._begin()
        if path is not None:
            host.deleted.append(path.rsplit("/", 1)[1])
            self._send(200, {"deleted": True})

    def do_POST(self) -> None:
        host, path = self._begin()
        body = self.rfile.read(int(self.headers["content-length"]))
        if path is None:
            return
        if path == "/v1/files":
            id = f"file-{len(host.files):04}"
            host.files[id] = _file_of(body, self.headers["content-type"])
            self._send(200, {"id": id, "object": "file", "purpose": "batch", "bytes": len(host.files[id])})
        elif path in ("/v1/batches", "/v1/messages/batches"):
            asked = json.loads(body)
            made = host.create(asked) if path == "/v1/batches" else host.create_messages(asked)
            host.mute -= (muted := host.mute > 0)
            self._send(500 if muted else 200, made)
        elif found := re.fullmatch(r"/v1/(?:messages/)?batches/([^/]+)/cancel", path):
            host.cancelled.add(found[1])
            self._send(200, host.batches[found[1]])
        else:
            asked = json.loads(body)
            host.direct[_said(asked)] += 1
            self._send(200, _message(asked) if path == "/v1/messages" else _at(path, {"body": asked}))

    def _begin(self) -> tuple[BatchHost, str | None]:
        host = self.server.host
        host.keys.add(self.headers["x-api-key"] or (self.headers["authorization"] or "").removeprefix("Bearer "))
        for number, (beginning, status) in enumerate(host.faults):
            if f"{self.command} {self.path}".startswith(beginning):
                del host.faults[number]
                if self.command == "POST":
                    self.close_connection = True
                self._send(status, {"error": {"message": "not now", "type": "server_error"}})
                return host, None
        return host, urlsplit(self.path).path

    def _list(self, path: str) -> None:
        query = parse_qs(urlsplit(self.path).query)
        kind = "msgbatch_" if path == "/v1/messages/batches" else "batch_"
        found = [one for id, one in reversed(self.server.host.batches.items()) if id.startswith(kind)]
        if after := query.get("after", query.get("after_id")):
            found = found[[one["id"] for one in found].index(after[0]) + 1 :]
        self._send(200, {"object": "list", "data": found[:2], "has_more": len(found) > 2})

    def _send(self, status: int, document: Any) -> None:
        self._reply(status, json.dumps(document).encode(), "application/json")

    def _send_lines(self, content: bytes) -> None:
        """In pieces that end anywhere, and with lines missing as long as they are not all there."""
        host = self.server.host
        if host.late:
            host.late -= 1
            content = b"\n".join(content.splitlines()[:-1]) + b"\n"
        self.send_response(200)
        self.send_header("content-type", "application/octet-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for start in range(0, len(content), 1013):
            piece = content[start : start + 1013]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _reply(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


def _jsonl(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _file_of(body: bytes, content_type: str) -> bytes:
    """The one file of a form; its purpose has to be there."""
    boundary = content_type.partition("boundary=")[2].encode()
    parts = body.split(b"--" + boundary)[1:-1]
    heads = [part.partition(b"\r\n\r\n") for part in parts]
    assert any(b'name="purpose"' in head and rest == b"batch\r\n" for head, _, rest in heads)
    return next(rest.removesuffix(b"\r\n") for head, _, rest in heads if b"filename=" in head)


def _said(body: dict[str, Any]) -> str:
    if "messages" in body:
        return str(body["messages"][-1]["content"])
    given = body.get("input", body.get("prompt"))
    # Of items, what was said last.
    return str(given[-1]["content"] if isinstance(given, list) and isinstance(given[-1], dict) else given)


def _refusal() -> dict[str, Any]:
    error = {"message": "Too many tokens.", "type": "invalid_request_error", "param": "max_tokens", "code": None}
    return {"error": error}


def _at(path: str, request: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = request["body"]
    return _response(body) if path == "/v1/responses" else _answer(body)


def _response(body: dict[str, Any]) -> dict[str, Any]:
    said = {"type": "output_text", "text": f"You said: {_said(body)}", "annotations": []}
    return {
        "id": "resp_theirs",
        "object": "response",
        "created_at": 1763000000,
        "status": "completed",
        "model": body["model"],
        "store": body.get("store", True),
        "previous_response_id": None,
        "output": [
            {"id": "msg_theirs", "type": "message", "role": "assistant", "status": "completed", "content": [said]}
        ],
        "usage": {
            "input_tokens": INPUT,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": OUTPUT,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": INPUT + OUTPUT,
        },
    }


def _answer(body: dict[str, Any]) -> dict[str, Any]:
    if "input" in body:
        data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
        usage = {"prompt_tokens": INPUT, "total_tokens": INPUT}
        return {"object": "list", "model": body["model"], "data": data, "usage": usage}
    message = {"role": "assistant", "content": f"You said: {_said(body)}"}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1763000000,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT},
    }


def _message(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [{"type": "text", "text": f"You said: {_said(body)}"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": INPUT, "output_tokens": OUTPUT},
    }
