"""What the model does. It calls each tool once, in their order, then answers; all at once where it is asked to."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

AT_ONCE = "at once"
"""Words of the user's after which all tools are called in one turn, and a lone one twice."""
FOUND_WRONG = "validation error"
"""Words that clients ask again with, where they do not return the answer that was wrong."""
CITIES = ("Paris", "Rome")
THOUGHT = "Let me think about that."


@dataclass(frozen=True)
class Asked:
    """What a request comes to, whichever format it had. `called` and `results` are since the user's last words."""

    text: str
    system: str = ""
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    choice: str = "auto"
    parallel: bool = True
    called: Sequence[str] = ()
    results: Sequence[str] = ()
    attachments: Sequence[str] = ()
    schema: Mapping[str, Any] | None = None
    turns: int = 0
    thinks: bool = False


@dataclass(frozen=True)
class Answer:
    thought: str = ""
    text: str = ""
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()


class Refused(Exception):
    """What the vendor would not take."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.code = code


def answer(asked: Asked) -> Answer:
    """Numbers in it grow with each turn, so that what was found wrong once is not said again."""
    thought = THOUGHT if asked.thinks else ""
    number = 20 + max(asked.turns, FOUND_WRONG in asked.text.lower())
    if names := _to_call(asked):
        calls = [(name, sample(asked.tools[name], number + place)) for place, name in enumerate(names)]
        return Answer(thought, calls=calls)
    schema = asked.schema or next(_schemas_in(f"{asked.system}\n{asked.text}"), None)
    if schema is not None:
        text = json.dumps(sample(schema, number))
    elif asked.results:
        text = f"The tools say: {'; '.join(asked.results)}."
    elif asked.attachments:
        text = f"You sent {', '.join(asked.attachments)}."
    else:
        text = f"You said: {asked.text}"
    return Answer(thought, text)


def _to_call(asked: Asked) -> Sequence[str]:
    if asked.choice == "none" or not asked.tools:
        return ()
    if asked.choice in asked.tools:
        return (asked.choice,)
    new = [name for name in asked.tools if name not in asked.called]
    if new and asked.parallel and AT_ONCE in asked.text:
        return new * 2 if len(new) == 1 else new
    return new[:1] or ([*asked.tools][-1:] if asked.choice == "required" else ())


def sample(schema: Mapping[str, Any], number: int, root: Mapping[str, Any] | None = None) -> Any:
    """A value that the schema allows."""
    root = root or schema
    if reference := schema.get("$ref"):
        found: Any = root
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        return sample(found, number, root)
    for alternatives in ("anyOf", "oneOf", "allOf"):
        if alternatives in schema:
            return sample(schema[alternatives][0], number, root)
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    return _SAMPLES.get(schema.get("type"), _text)(schema, number, root)


def _text(_schema: Any, number: int, _root: Any) -> str:
    return CITIES[number % len(CITIES)]


def _object(schema: Any, number: int, root: Any) -> dict[str, Any]:
    return {name: sample(one, number, root) for name, one in schema.get("properties", {}).items()}


def _array(schema: Any, number: int, root: Any) -> list[Any]:
    return [sample(schema.get("items", {}), number + place, root) for place in (0, 1)]


_SAMPLES: Mapping[Any, Callable[[Any, int, Any], Any]] = {
    "object": _object,
    "array": _array,
    "integer": lambda _schema, number, _root: number,
    "number": lambda _schema, number, _root: number + 0.5,
    "boolean": lambda _schema, _number, _root: True,
    "null": lambda _schema, _number, _root: None,
}


def _schemas_in(prompt: str) -> Iterator[Mapping[str, Any]]:
    """Schemas of objects that the prompt itself has, as clients write them for models without structured output."""
    start = prompt.find("{")
    while start >= 0:
        try:
            found = json.JSONDecoder().raw_decode(prompt[start:])[0]
        except ValueError:
            found = {}
        if isinstance(found, dict) and isinstance(found.get("properties"), dict):
            yield {"type": "object", **found}
        start = prompt.find("{", start + 1)


def check_closed(schema: Any, path: str) -> None:
    """Refuse a schema that leaves room: vendors enforce none but closed objects."""
    if isinstance(schema, list):
        for one in schema:
            check_closed(one, path)
    elif isinstance(schema, dict):
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
            raise Refused("'additionalProperties' is required to be supplied and to be false", path)
        for name, one in schema.items():
            if name in ("properties", "$defs"):
                check_closed([*one.values()], path)
            elif name not in ("enum", "const", "default", "examples", "required"):
                check_closed(one, path)
