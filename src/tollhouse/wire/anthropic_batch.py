"""Anthropic's own batches: all requests in one body, all results in one stream, in any order.

https://platform.claude.com/docs/en/build-with-claude/batch-processing
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tollhouse.domain.form import Spool
from tollhouse.domain.ports import Errand
from tollhouse.wire import json_text
from tollhouse.wire.host_batch import HostBatch, HostResult, Listed, SpooledJson, counts_of, list_of, text_of
from tollhouse.wire.host_error import read_host_error

BATCHES = "/v1/messages/batches"
PAGE = 100


class AnthropicBatches:
    """`/v1/messages/batches`. It keeps no mark of ours: a batch is known again by the ids of its results."""

    name = "anthropic"
    endpoints: Mapping[str, str] = {"messages": "/v1/messages"}
    most_lines = 100_000
    most_bytes = 240_000_000
    """Of 256 MB, which nobody says how to count."""
    most_inputs = 100_000
    head, between, tail = b'{"requests":[', b",", b"]}"
    uploads = False

    def inputs(self, body: Mapping[str, Any]) -> int:
        return 1

    def line(self, custom_id: str, format: str, body: bytes) -> bytes:
        return b'{"custom_id":"%b","params":%b}' % (custom_id.encode(), body)

    def send(self, spool: Spool, size: int, mark: str) -> Errand:
        return Errand("POST", BATCHES, SpooledJson(spool, size))

    def read_file(self, document: Any) -> str:
        raise ValueError("nothing is uploaded")

    def create(self, file_id: str, format: str, mark: str) -> Errand:
        raise AssertionError("the lines are the batch")

    def look(self, batch_id: str) -> Errand:
        return Errand("GET", _path(batch_id))

    def cancel(self, batch_id: str) -> Errand:
        return Errand("POST", f"{_path(batch_id)}/cancel")

    def page(self, after: str | None) -> Errand:
        return Errand("GET", f"{BATCHES}?limit={PAGE}" + (f"&after_id={quote(after, safe='')}" if after else ""))

    def results(self, batch: HostBatch) -> Sequence[Errand]:
        # Not where `results_url` points to: the key would go wherever a host says.
        return [Errand("GET", f"{_path(batch.id)}/results", accept="*/*")]

    def clear(self, batch: HostBatch, file_id: str | None) -> Sequence[Errand]:
        return [Errand("DELETE", _path(batch.id))]

    def read(self, document: Any) -> HostBatch:
        status = text_of(document, "processing_status")
        return HostBatch(
            id=text_of(document, "id"),
            state="ended" if status == "ended" else "working",
            told=status[:40],
            counts=counts_of(document),
            whole=status == "ended",
            created_at=_moment(document.get("created_at")),
        )

    def read_page(self, document: Any) -> Listed:
        batches = [self.read(one) for one in list_of(document)]
        return Listed(batches, batches[-1].id if batches and document.get("has_more") else None)

    def read_result(self, line: bytes) -> HostResult:
        document = json_text.read_leniently(line)
        custom_id = text_of(document, "custom_id")
        result = document.get("result")
        kind = text_of(result, "type")
        if kind == "succeeded":
            return HostResult(custom_id, 200, json_text.write(result.get("message")))
        if kind == "errored":
            error = result.get("error")
            return HostResult(custom_id, read_host_error(error).status, json_text.write(error))
        return HostResult(custom_id, 0, told={"canceled": "cancelled"}.get(kind, kind[:40]))


def _path(batch_id: str) -> str:
    return f"{BATCHES}/{quote(batch_id, safe='')}"


def _moment(said: Any) -> float:
    try:
        return datetime.fromisoformat(said).timestamp()
    except (TypeError, ValueError):
        return 0.0
