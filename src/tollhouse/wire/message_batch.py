"""Requests and results of Anthropic's Message Batches as lines of OpenAI's batch files, and back."""

from collections.abc import Mapping
from typing import Any

from tollhouse.wire import json_text
from tollhouse.wire.host_error import anthropic_type

_UNMADE = {"batch_cancelled": "canceled", "batch_expired": "expired"}
"""What is told of a line that was not called, by its code; of any other it is an error."""


def asked_line(request: Mapping[str, Any], endpoint: str) -> bytes:
    """The line of one request."""
    return json_text.write(
        {"custom_id": request["custom_id"], "method": "POST", "url": endpoint, "body": request["params"]}
    )


def result_line(line: bytes) -> bytes:
    """The result that a line of an output or error file is."""
    known = json_text.read_leniently(line)
    response, error = known.get("response"), known.get("error")
    result: dict[str, Any]
    if response is None:
        kind = _UNMADE.get(error["code"], "errored")
        result = _unmade(kind, error["message"])
    elif 200 <= response["status_code"] < 300:
        result = {"type": "succeeded", "message": response["body"]}
    else:
        result = {"type": "errored", "error": {"request_id": response["request_id"], **response["body"]}}
    return json_text.write({"custom_id": known["custom_id"], "result": result})


def unmade_line(line: bytes, kind: str) -> bytes:
    """The result of a request, by its line, that was not made."""
    known = json_text.read_leniently(line)
    result = _unmade(kind, "The batch was stopped before this request was made.")
    return json_text.write({"custom_id": known["custom_id"], "result": result})


def _unmade(kind: str, message: str) -> dict[str, Any]:
    if kind != "errored":
        return {"type": kind}
    error = {"type": anthropic_type(500), "message": message}
    return {"type": kind, "error": {"type": "error", "error": error, "request_id": None}}
