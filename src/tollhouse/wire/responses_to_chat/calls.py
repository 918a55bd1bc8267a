"""Which call of a tool a piece belongs to, and what of it could not be told yet."""

from typing import Any

from tollhouse.wire import json_text
from tollhouse.wire.responses_to_chat.items import FunctionCall


class OpenCall:
    """A call of which pieces come. It begins when its name is known."""

    def __init__(self, made_up_id: str) -> None:
        self.given_id = ""
        self.name = ""
        self.custom = False
        self._made_up_id = made_up_id
        self._begun_as = ""
        self._waiting: list[str] = []
        self._item: FunctionCall | None = None

    @property
    def call_id(self) -> str:
        return self._begun_as or self.given_id or self._made_up_id

    def take(self, call: dict[str, Any]) -> None:
        self.custom = self.custom or call.get("type") == "custom"
        given = call.get("custom" if self.custom else "function")
        inner: dict[str, Any] = given if isinstance(given, dict) else {}
        self.given_id = self.given_id or _text(call.get("id"))
        self.name = self.name or _text(inner.get("name"))
        if said := _arguments(inner.get("input" if self.custom else "arguments")):
            self._waiting.append(said)

    def begin(self, item: FunctionCall) -> bytes:
        self._begun_as = self.call_id
        self._item = item
        return self.tell()

    def tell(self) -> bytes:
        """What came since."""
        if not self._item or not self._waiting:
            return b""
        said = "".join(self._waiting)
        self._waiting.clear()
        return self._item.add(said)


class Calls:
    def __init__(self, stem: str) -> None:
        self.begun: list[OpenCall] = []
        self._stem = stem
        self._all: list[OpenCall] = []
        self._by_index: dict[int, OpenCall] = {}

    def take(self, call: dict[str, Any]) -> OpenCall:
        known = self._find(call)
        known.take(call)
        return known

    def to_begin(self, *, last: bool) -> list[OpenCall]:
        """Those that can begin now, in their order; at the last, those that nobody gave a name, too."""
        ready = []
        for call in self._all[len(self.begun) :]:
            if not (call.name or last):
                break
            ready.append(call)
        self.begun += ready
        return ready

    def _find(self, call: dict[str, Any]) -> OpenCall:
        """Some hosts leave the index out (Gemini), or give all calls the same."""
        index, call_id = call.get("index"), _text(call.get("id"))
        inner = call.get("custom" if call.get("type") == "custom" else "function")
        name = _text(inner.get("name")) if isinstance(inner, dict) else ""
        known: OpenCall | None
        if type(index) is int:
            known = self._by_index.get(index)
        elif call_id:
            known = next((one for one in self._all if one.given_id == call_id), None)
        else:
            known = self._all[-1] if self._all and not name else None
        another = known and name and call_id and known.given_id and known.given_id != call_id
        if known and not another:
            return known
        made = OpenCall(f"call_{self._stem}_{len(self._all)}")
        self._all.append(made)
        if type(index) is int:
            self._by_index[index] = made
        return made


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _arguments(given: Any) -> str:
    """Text as it is, however malformed; of hosts that send objects, their JSON."""
    return given if isinstance(given, str) else "" if given is None else json_text.write(given).decode()
