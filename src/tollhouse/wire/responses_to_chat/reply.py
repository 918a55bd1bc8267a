"""A chat completion as a Response."""

from typing import Any

from tollhouse.domain.call import Call
from tollhouse.wire import completion, json_text
from tollhouse.wire.responses_to_chat import chunk
from tollhouse.wire.responses_to_chat.failure import BROKE_OFF, NO_ANSWER, NOT_JSON, error_document, error_of
from tollhouse.wire.responses_to_chat.items import Events
from tollhouse.wire.responses_to_chat.output import Output
from tollhouse.wire.responses_to_chat.response import ResponseObject
from tollhouse.wire.vocabulary import openai_usage


class WholeReply:
    """Gathers the document, and converts it at its end."""

    def __init__(self, call: Call) -> None:
        self._model = call.facts.model
        self._object = ResponseObject(call)
        self._frames: list[bytes] = []

    def feed(self, frame: bytes) -> bytes:
        self._frames.append(frame)
        return b""

    def finish(self) -> bytes:
        document = completion.read(b"".join(self._frames))
        self._frames.clear()
        if document is None:
            return error_document(NOT_JSON)
        if document.get("error"):
            return error_document(document["error"])
        choice = completion.first_choice(document)
        message = choice.get("message") if choice else None
        if choice is None or not isinstance(message, dict):
            return error_document(NO_ANSWER)
        return json_text.write(self._response(document, choice, message))

    def _response(self, document: dict[str, Any], choice: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
        response = self._object
        response.note(document)
        # The items of a stream of one piece, whose events nobody hears.
        output = Output(self._model, response.stem, Events())
        output.add(message, chunk.logprobs_of(choice))
        told = document.get("usage")
        usage = openai_usage(told) if isinstance(told, dict) else None
        reason = choice.get("finish_reason")
        if reason in completion.BROKEN_OFF:
            return response.failed(output.documents(), usage, error_of(choice.get("error") or BROKE_OFF))
        incomplete = chunk.incomplete_reason(reason)
        output.end(incomplete=incomplete is not None)
        return response.ended(output.documents(), usage, incomplete)
