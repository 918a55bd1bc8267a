"""OpenAI's own batches: a file of lines, a batch of it, a file of answers and one of errors.

https://platform.openai.com/docs/guides/batch
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tollhouse.domain.form import Form, Part, Spool
from tollhouse.domain.ports import Errand
from tollhouse.wire import json_text
from tollhouse.wire.form_body import FormBody
from tollhouse.wire.host_batch import HostBatch, HostResult, Listed, State, counts_of, list_of, text_of

MARK = "tollhouse_handover"
PAGE = 100
_STATES: Mapping[str, State] = {
    "failed": "refused",
    "completed": "ended",
    "expired": "ended",
    "cancelled": "ended",
}
"""Every other is one that passes."""


class OpenAIBatches:
    """`/v1/files` and `/v1/batches`."""

    name = "openai"
    endpoints: Mapping[str, str] = {
        "chat": "/v1/chat/completions",
        "completions": "/v1/completions",
        "embeddings": "/v1/embeddings",
        "responses": "/v1/responses",
    }
    most_lines = 50_000
    most_bytes = 190_000_000
    """Of 200 MB, which nobody says how to count."""
    most_inputs = 50_000
    head, between, tail = b"", b"\n", b"\n"
    uploads = True

    def inputs(self, body: Mapping[str, Any]) -> int:
        given = body.get("input")
        return len(given) if isinstance(given, list) and given and isinstance(given[0], (str, list)) else 1

    def line(self, custom_id: str, format: str, body: bytes) -> bytes:
        head = json_text.write({"custom_id": custom_id, "method": "POST", "url": self.endpoints[format]})[:-1]
        return b'%b,"body":%b}' % (head, body)

    def send(self, spool: Spool, size: int, mark: str) -> Errand:
        purpose = Part("purpose", 0, 0)
        file = Part("file", 0, size, f"{mark}.jsonl", "application/jsonl")
        return Errand("POST", "/files", FormBody(Form((purpose, file), {}, spool, size), {"purpose": "batch"}))

    def read_file(self, document: Any) -> str:
        return text_of(document, "id")

    def create(self, file_id: str, format: str, mark: str) -> Errand:
        asked = {
            "input_file_id": file_id,
            "endpoint": self.endpoints[format],
            "completion_window": "24h",
            "metadata": {MARK: mark},
        }
        return Errand("POST", "/batches", json_text.write(asked))

    def look(self, batch_id: str) -> Errand:
        return Errand("GET", f"/batches/{quote(batch_id, safe='')}")

    def cancel(self, batch_id: str) -> Errand:
        return Errand("POST", f"/batches/{quote(batch_id, safe='')}/cancel")

    def page(self, after: str | None) -> Errand:
        return Errand("GET", f"/batches?limit={PAGE}" + (f"&after={quote(after, safe='')}" if after else ""))

    def results(self, batch: HostBatch) -> Sequence[Errand]:
        return [Errand("GET", f"/files/{quote(id, safe='')}/content", accept="*/*") for id in batch.outputs]

    def clear(self, batch: HostBatch, file_id: str | None) -> Sequence[Errand]:
        files = [*batch.outputs, *([file_id] if file_id else ())]
        return [Errand("DELETE", f"/files/{quote(id, safe='')}") for id in files]

    def read(self, document: Any) -> HostBatch:
        status = text_of(document, "status")
        metadata = document.get("metadata")
        mark = metadata.get(MARK) if isinstance(metadata, dict) else None
        outputs = [document.get(name) for name in ("output_file_id", "error_file_id")]
        created_at = document.get("created_at")
        return HostBatch(
            id=text_of(document, "id"),
            state=_STATES.get(status, "working"),
            told=status[:40],
            counts=counts_of(document),
            whole=status == "completed",
            mark=mark if isinstance(mark, str) else None,
            reason=_reason(document),
            created_at=float(created_at) if isinstance(created_at, (int, float)) else 0.0,
            outputs=[id for id in outputs if isinstance(id, str) and id],
        )

    def read_page(self, document: Any) -> Listed:
        batches = [self.read(one) for one in list_of(document)]
        return Listed(batches, batches[-1].id if batches and document.get("has_more") else None)

    def read_result(self, line: bytes) -> HostResult:
        document = json_text.read_leniently(line)
        custom_id = text_of(document, "custom_id")
        response = document.get("response")
        if isinstance(response, dict) and type(status := response.get("status_code")) is int and 100 <= status < 600:
            return HostResult(custom_id, status, json_text.write(response.get("body")))
        error = document.get("error")
        code = error.get("code") if isinstance(error, dict) else None
        return HostResult(custom_id, 0, told=str(code or "no_answer").removeprefix("batch_")[:40])


def _reason(document: Mapping[str, Any]) -> str:
    """What the host says is wrong with the whole of it."""
    errors = document.get("errors")
    given = errors.get("data") if isinstance(errors, dict) else None
    told = [one for one in given or () if isinstance(one, dict)] if isinstance(given, list) else []
    return "; ".join(str(one.get("message") or one.get("code") or "")[:200] for one in told[:3])
