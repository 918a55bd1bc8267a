"""`Idempotency-Key` on operations of the management API that make something."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from flask import request

from tollhouse.services.repeats.idempotency import LONGEST, PARAM, Answer
from tollhouse.web.gate import services

PARAMETER = {
    "in": "header",
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST,
    "description": "A text of your own, such as a UUID. For 24 hours the same request with it is done once, and has "
    "the same answer, secrets included; `Idempotency-Replayed: true` is on the answers after the first.",
}
MEANINGS = {
    409: "The same request is under way, or this does not go with what is there.",
    422: "The Idempotency-Key came with another request before.",
}
Document = dict[str, Any]


def is_asked() -> bool:
    """Whether the request has a key."""
    return PARAM in request.headers


def once(owner_id: str, body: Mapping[str, Any], status: int, work: Callable[[], Document]) -> tuple[Document, bool]:
    """The document that `work` makes, or made before, and whether it did before."""
    asked = json.dumps([request.method, request.path, body], sort_keys=True)
    answer = services().idempotency.once(
        owner_id,
        request.headers[PARAM],
        hashlib.sha256(asked.encode()).hexdigest(),
        lambda: Answer(status, orjson.dumps(work()).decode()),
    )
    document: Document = orjson.loads(answer.text)
    return document, answer.again
