"""Output items on their way: each gives the events of its life, and is itself at any moment of it."""

from typing import Any

from tollhouse.wire import json_text


class Events:
    """Server-sent events, numbered one after another."""

    def __init__(self) -> None:
        self._number = 0

    def write(self, kind: str, fields: dict[str, Any]) -> bytes:
        text = json_text.write({"type": kind, "sequence_number": self._number, **fields})
        self._number += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), text)


class Item:
    """`place` is what its events are addressed by. `status` is that of the item in a response that ends now."""

    def __init__(self, events: Events, index: int, item_id: str) -> None:
        self.id = item_id
        self.status = "in_progress"
        self.place: dict[str, Any] = {"item_id": item_id, "output_index": index}
        self._events = events
        self._index = index

    def document(self) -> dict[str, Any]:
        raise NotImplementedError

    def begin(self) -> bytes:
        return self._events.write("response.output_item.added", {"output_index": self._index, "item": self.document()})

    def _done(self, status: str) -> bytes:
        self.status = status
        return self._events.write("response.output_item.done", {"output_index": self._index, "item": self.document()})


class Part:
    """A part of an item's content: text, a refusal, or the text of a thought."""

    def __init__(self, events: Events, kind: str, place: dict[str, Any]) -> None:
        self.kind = kind
        self._events = events
        self._place = place
        self._name = f"response.{kind}"
        self._delta = f"{self._name}.delta"
        self._pieces: list[str] = []
        self._logprobs: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def document(self) -> dict[str, Any]:
        text = "".join(self._pieces)
        if self.kind == "output_text":
            return {"type": self.kind, "annotations": self._annotations, "logprobs": self._logprobs, "text": text}
        return {"type": self.kind, ("refusal" if self.kind == "refusal" else "text"): text}

    def begin(self) -> bytes:
        return self._events.write("response.content_part.added", {**self._place, "part": self.document()})

    def add(self, text: str, logprobs: list[dict[str, Any]]) -> bytes:
        self._pieces.append(text)
        fields: dict[str, Any] = {**self._place, "delta": text}
        if self.kind == "output_text":
            self._logprobs += logprobs
            fields["logprobs"] = logprobs
        return self._events.write(self._delta, fields)

    def annotate(self, annotation: dict[str, Any]) -> bytes:
        self._annotations.append(annotation)
        fields = {**self._place, "annotation_index": len(self._annotations) - 1, "annotation": annotation}
        return self._events.write(f"{self._name}.annotation.added", fields)

    def end(self) -> bytes:
        part = self.document()
        told = {name: value for name, value in part.items() if name not in ("type", "annotations")}
        done = self._events.write(f"{self._name}.done", {**self._place, **told})
        return done + self._events.write("response.content_part.done", {**self._place, "part": part})


class _Spoken(Item):
    """An item that is made of parts, one after another."""

    def __init__(self, events: Events, index: int, item_id: str) -> None:
        super().__init__(events, index, item_id)
        self._parts: list[Part] = []

    def add(self, kind: str, text: str, logprobs: list[dict[str, Any]]) -> bytes:
        if self._parts and self._parts[-1].kind == kind:
            return self._parts[-1].add(text, logprobs)
        out = self._parts[-1].end() if self._parts else b""
        part = Part(self._events, kind, {**self.place, "content_index": len(self._parts)})
        self._parts.append(part)
        return out + part.begin() + part.add(text, logprobs)

    def end(self, status: str) -> bytes:
        return (self._parts[-1].end() if self._parts else b"") + self._done(status)


class Message(_Spoken):
    def document(self) -> dict[str, Any]:
        content = [part.document() for part in self._parts]
        return {"id": self.id, "type": "message", "status": self.status, "content": content, "role": "assistant"}

    def annotate(self, annotation: dict[str, Any]) -> bytes:
        """Of the text that is being said."""
        said = self._parts and self._parts[-1].kind == "output_text"
        return self._parts[-1].annotate(annotation) if said else b""


class Reasoning(_Spoken):
    """`sealed` is told when it ends."""

    sealed: str | None = None

    def document(self) -> dict[str, Any]:
        document = {"id": self.id, "type": "reasoning", "status": self.status, "summary": []}
        return {**document, "content": [part.document() for part in self._parts], "encrypted_content": self.sealed}


class FunctionCall(Item):
    """A call of a function, or of a tool whose input is text of any kind."""

    def __init__(self, events: Events, index: int, stem: str, call_id: str, name: str, *, custom: bool) -> None:
        super().__init__(events, index, f"{'ctc' if custom else 'fc'}_{stem}_{index}")
        self._field = "input" if custom else "arguments"
        self._kind = "custom_tool_call" if custom else "function_call"
        self._name = "response.custom_tool_call_input" if custom else "response.function_call_arguments"
        self._call = {"call_id": call_id, "name": name}
        self._pieces: list[str] = []

    def document(self) -> dict[str, Any]:
        said = {self._field: "".join(self._pieces)}
        return {"id": self.id, "type": self._kind, "status": self.status, **said, **self._call}

    def add(self, text: str) -> bytes:
        self._pieces.append(text)
        return self._events.write(f"{self._name}.delta", {**self.place, "delta": text})

    def end(self, status: str) -> bytes:
        told = {self._field: "".join(self._pieces)}
        return self._events.write(f"{self._name}.done", {**self.place, **told}) + self._done(status)
