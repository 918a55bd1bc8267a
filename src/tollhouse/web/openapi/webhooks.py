"""What webhooks are sent, as OpenAPI 3.1 describes it: by the gateway, to others."""

from typing import Any

from tollhouse.domain.webhooks import EVENT_TYPES, TEST_EVENT

_TEXT = {"type": "string"}
_HEADERS = {
    "webhook-id": "The event's id, the same for each attempt: what has been seen before may be dropped by it.",
    "webhook-timestamp": "When this attempt was made, in Unix seconds.",
    "webhook-signature": "Signatures as Standard Webhooks has them (`v1,…`), one for each secret in force, by space.",
}
_SAMPLES = {"response": "resp_01k9z3m4n5p6q7r8s9t0v1w2x3", "batch": "batch_01k9z3m4n5p6q7r8s9t0v1w2x3"}
_ID = "evt_01k9z3m4n5p6q7r8s9t0v1w2x3"


def webhooks() -> dict[str, Any]:
    """By the type of the event."""
    told = {**EVENT_TYPES, TEST_EVENT: "A made-up event that was asked for."}
    return {kind: {"post": _operation(kind, summary)} for kind, summary in told.items()}


def _operation(kind: str, summary: str) -> dict[str, Any]:
    thing = kind.partition(".")[0]
    required = ["id", "object", "created_at", "type", "data"]
    data: dict[str, Any] = {"type": "object"}
    if thing in _SAMPLES:
        data |= {"required": ["id"], "properties": {"id": _TEXT}}
    properties = {
        "id": _TEXT,
        "object": {"const": "event"},
        "created_at": {"type": "integer", "description": "Unix seconds"},
        "type": {"const": kind},
        "data": data,
    }
    example: dict[str, Any] = {"id": _ID, "object": "event", "created_at": 1795253400, "type": kind}
    example["data"] = {"id": _SAMPLES[thing]} if thing in _SAMPLES else {}
    return {
        "operationId": f"hear_{kind.replace('.', '_')}",
        "summary": summary,
        "tags": ["Webhooks"],
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": _TEXT}
            for name, text in _HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"type": "object", "required": required, "properties": properties},
                    "example": example,
                }
            },
        },
        "responses": {
            "2XX": {"description": "It has arrived. Anything else is tried again later."},
            "410": {"description": "Nothing more is to be sent there."},
        },
    }
