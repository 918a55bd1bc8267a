"""The headers of requests and responses, as the document describes them."""

from collections.abc import Mapping
from typing import Any

_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}

REQUEST_ID = {"x-request-id": (_TEXT, "The gateway's own id of this request, also in its log and its ledger.")}
ANTHROPIC_REQUEST_ID = {"request-id": (_TEXT, "The same as `x-request-id`, where Anthropic's SDK looks for it.")}
CALL: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "x-tollhouse-model": (_TEXT, "The model, by its name here."),
    "x-tollhouse-provider": (_TEXT, "The provider that answered."),
    "x-tollhouse-attempts": (_NUMBER, "How many providers were tried."),
    "x-tollhouse-upstream-request-id": (_TEXT, "The provider's own id of the request, where it tells one."),
    "x-tollhouse-dropped": (_TEXT, "The fields that a translation could not carry, by their paths."),
    "x-tollhouse-output-cap": (_NUMBER, "The output cap that the gateway set or cut."),
    "x-tollhouse-cache": (
        {"enum": ["hit", "similar", "miss"]},
        "Whether the reply was made before, or for another call at this moment, or for a similar one; where it may be.",
    ),
    "x-tollhouse-similarity": ({"type": "number"}, "How similar the call was that a reply was made for: at most 1."),
    "age": (_NUMBER, "Seconds since a reply was made that was kept."),
    "x-tollhouse-cost-usd": (_TEXT, "What the call cost, as a decimal number; of whole replies alone."),
}
FAILURE: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "retry-after": (_NUMBER, "Seconds after which the same request may work, where that is known."),
    "x-should-retry": ({"enum": ["true", "false"]}, "Whether SDKs should try again, where the status does not tell."),
}

_STRICT = "With `true` or `1`, a call is refused that would lose a field in translation; `false` or `0` is the default."
STRICT = {"x-tollhouse-strict": ({"enum": ["true", "false", "1", "0"]}, _STRICT)}
REPEATABLE: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "idempotency-key": (
        {"type": "string", "minLength": 1, "maxLength": 255},
        "A text of your own, such as a UUID. For 24 hours the same request with it is done and charged once, and has "
        "the same answer, of a stream all of it.",
    )
}
"""Of what is posted."""
REPLAYED: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "idempotency-replayed": ({"const": "true"}, "The answer was given before, to the same request."),
    "idempotency-kept": ({"const": "false"}, "The answer is too long to be given again."),
    "x-tollhouse-original-request": (_TEXT, "Of an answer that was given before: the `x-request-id` that it had."),
}
_TAGS = {"x-tollhouse-tags": (_TEXT, "Words by comma, up to 16, to budget and report by.")}
_CACHE = {
    "cache-control": (
        _TEXT,
        "`max-age=600` takes a reply that is at most so many seconds old, and keeps this call's for so long where "
        "the model has no time of its own; `no-cache` takes none, `no-store` neither takes nor keeps one.",
    )
}
_ANTHROPIC = {
    "anthropic-version": (_TEXT, "Passed on to hosts of this format; without one, `2023-06-01`."),
    "anthropic-beta": (_TEXT, "Passed on to hosts of this format."),
}
_OPENAI = {"openai-beta": (_TEXT, "Passed on to hosts of this format.")}
REQUEST: Mapping[str, Mapping[str, tuple[Mapping[str, Any], str]]] = {
    "openai": {**STRICT, **_TAGS, **_CACHE, **_OPENAI},
    "anthropic": {**STRICT, **_TAGS, **_CACHE, **_ANTHROPIC},
}
"""By the vendor whose format it is: what a call may carry."""


def responses(headers: Mapping[str, tuple[Mapping[str, Any], str]]) -> dict[str, Any]:
    return {name: {"description": text, "schema": schema} for name, (schema, text) in headers.items()}


def parameters(headers: Mapping[str, tuple[Mapping[str, Any], str]]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "description": text, "schema": schema}
        for name, (schema, text) in headers.items()
    ]
