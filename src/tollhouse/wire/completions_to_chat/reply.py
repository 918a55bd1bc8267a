"""A chat completion as a completion."""

from typing import Any

from tollhouse.domain.call import Call
from tollhouse.wire import completion, json_text
from tollhouse.wire.completions_to_chat.choice import ChoiceText, asked_of, head, usage_of
from tollhouse.wire.completions_to_chat.failure import BROKE_OFF, NO_ANSWER, NOT_JSON, error_document


class WholeReply:
    """Gathers the document, and converts it at its end."""

    def __init__(self, call: Call, created: int) -> None:
        self._call = call
        self._asked = asked_of(call.body)
        self._created = created
        self._frames: list[bytes] = []

    def feed(self, frame: bytes) -> bytes:
        self._frames.append(frame)
        return b""

    def finish(self) -> bytes:
        document = completion.read(b"".join(self._frames))
        self._frames.clear()
        return json_text.write(error_document(None, NOT_JSON) if document is None else self._converted(document))

    def _converted(self, document: dict[str, Any]) -> dict[str, Any]:
        if error := document.get("error"):
            return error_document(error, BROKE_OFF)
        choices = []
        for place, choice in enumerate(completion.as_objects(document.get("choices"))):
            if choice.get("finish_reason") in completion.BROKEN_OFF:
                return error_document(choice.get("error"), BROKE_OFF)
            index = choice["index"] if type(choice.get("index")) is int else place
            told = {**choice, "finish_reason": choice.get("finish_reason") or "stop"}
            choices.append(ChoiceText(self._asked).take(index, told, choice.get("message")))
        if not choices:
            return error_document(None, NO_ANSWER)
        converted = {**head(self._call, document, self._created), "choices": choices}
        if usage := usage_of(document.get("usage")):
            converted["usage"] = usage
        return converted
