"""A JSON schema as hosts of Messages enforce one.

They refuse bounds of numbers and sizes, and objects that are not closed. What they cannot enforce is told to the
model in the description instead, as the vendor's own SDK does it.
"""

from collections.abc import Mapping
from typing import Any

from tollhouse.wire import json_text

_BOUNDS = frozenset(
    {
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
        *("minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"),
    }
)
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"},
)
_OF_ONE = ("items", "not")
_OF_SEVERAL = ("anyOf", "allOf", "oneOf", "prefixItems")
_BY_NAME = ("properties", "$defs", "definitions")


def enforceable(schema: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The schema, and whether it says less than it did. Closing an object that nobody said is open is no loss."""
    told = {name: value for name, value in schema.items() if _refused(name, value)}
    kept = {name: value for name, value in schema.items() if name not in told}
    less = bool(told)
    if told:
        bounds = ", ".join(f"{name}: {json_text.write(value).decode()}" for name, value in told.items())
        description = kept.get("description")
        kept["description"] = f"{description} ({bounds})" if description else bounds
    kinds = kept.get("type")
    if kinds == "object" or (isinstance(kinds, list) and "object" in kinds) or "properties" in kept:
        less = less or bool(kept.get("additionalProperties"))
        kept["additionalProperties"] = False
    for name, inner in kept.items():
        if name in _OF_ONE:
            kept[name], lost = _inner(inner)
        elif name in _OF_SEVERAL and isinstance(inner, list):
            pairs = [_inner(one) for one in inner]
            kept[name], lost = [one for one, _ in pairs], any(lost for _, lost in pairs)
        elif name in _BY_NAME and isinstance(inner, dict):
            named = {key: _inner(one) for key, one in inner.items()}
            kept[name], lost = {key: one for key, (one, _) in named.items()}, any(lost for _, lost in named.values())
        else:
            continue
        less = less or lost
    return kept, less


def _inner(schema: Any) -> tuple[Any, bool]:
    return enforceable(schema) if isinstance(schema, dict) else (schema, False)


def _refused(name: str, value: Any) -> bool:
    if name == "minItems":
        return value not in (0, 1)
    return name in _BOUNDS or (name == "format" and not (isinstance(value, str) and value in _FORMATS))
