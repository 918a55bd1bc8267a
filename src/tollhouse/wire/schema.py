"""Open schemas of requests, compiled once: an unknown field is forwarded, a wrong one is named."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import jsonschema_rs
import orjson

from tollhouse.domain.errors import InvalidField

LONGEST_COMPLAINT = 300
LOOKED_AT = 20
"""Items of a list that are looked at for the plainest error: to find each of a million took 9 s."""


class RequestSchema:
    """The check of one format's requests, or of what else has a schema in the folder `schemas` of a package."""

    def __init__(self, name: str, package: str = "tollhouse.wire") -> None:
        text = (files(package) / "schemas" / f"{name}.json").read_bytes()
        self._validator = jsonschema_rs.validator_for(orjson.loads(text))

    def check(self, body: Mapping[str, Any]) -> None:
        """InvalidField names the first field that is wrong, as `messages[0].role`."""
        if self._validator.is_valid(body):
            return
        error = self._plainest_error(body)
        path = [*error.instance_path, *_missing(error), *_unknown(error)]
        field = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")[:200]
        raise InvalidField(f"{field or 'The body'}: {_complaint(error)}.", param=field or None)

    def _plainest_error(self, body: Mapping[str, Any]) -> jsonschema_rs.ValidationError:
        errors = self._validator.iter_errors(_shortened(body))
        if plainest := min(errors, key=lambda error: len(error.instance_path), default=None):
            return plainest
        try:
            self._validator.validate(body)
        except jsonschema_rs.ValidationError as error:
            return error
        raise AssertionError("a body that is not valid has an error")


def _shortened(value: Any) -> Any:
    if isinstance(value, list):
        return [_shortened(item) for item in value[:LOOKED_AT]]
    if isinstance(value, dict):
        return {name: _shortened(item) for name, item in value.items()}
    return value


def _missing(error: jsonschema_rs.ValidationError) -> list[str]:
    return [error.message.split('"')[1]] if error.message.endswith("is a required property") else []


def _unknown(error: jsonschema_rs.ValidationError) -> list[str]:
    """Of a closed schema: the first field that is not in it."""
    return [error.message.split("'")[1]] if error.schema_path[-1:] == ["additionalProperties"] else []


def _complaint(error: jsonschema_rs.ValidationError) -> str:
    if _missing(error):
        return "this field is required"
    if _unknown(error):
        return "there is no such field"
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Enum):
        # The validator's own message leaves most of them out.
        return f"it must be one of {', '.join('null' if one is None else str(one) for one in error.kind.options)}"
    # The message quotes the value, which may be a prompt: only a short one is told.
    value = error.instance
    if isinstance(value, (dict, list, str)) and (len(value) > 40 or len(str(value)) > 40):
        rule = str(error.schema_path[-1])
        if rule in _LIMITS:
            return _LIMITS[rule].format(error.kind.value)
        return f"the value breaks the rule {rule!r} of this field"
    return error.message[:LONGEST_COMPLAINT]


_LIMITS = {
    "minLength": "this text must have at least {} characters",
    "maxLength": "this text may have at most {} characters",
    "minItems": "this list must have at least {} items",
    "maxItems": "this list may have at most {} items",
    "maxProperties": "this object may have at most {} fields",
}
