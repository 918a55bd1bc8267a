"""A host's failure under a status of success, in Anthropic's shape."""

from typing import Any

from tollhouse.wire import json_text
from tollhouse.wire.host_error import read_host_error

NOT_JSON = "The provider sent something that is not JSON."
NO_ANSWER = "The provider ended its answer without one."
BROKE_OFF = "The provider broke its answer off."


def failure(error: Any, request_id: str) -> bytes:
    """An error document. `error` is what the host said: an object, or no more than a text."""
    told = read_host_error({"error": error})
    return json_text.write(told.as_anthropic(BROKE_OFF, request_id))
