"""The reply to one body, by its format."""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

import orjson

from tollhouse.providers.echo.chat import chat
from tollhouse.providers.echo.embeddings import embeddings
from tollhouse.providers.echo.messages import messages
from tollhouse.providers.echo.options import EchoOptions
from tollhouse.providers.echo.reply import (
    TOLD_TO_FAIL,
    EchoReply,
    UnreadableBody,
    anthropic_error,
    openai_error,
    whole_reply,
)

_Answer = Callable[[Mapping[str, Any], str, EchoOptions], EchoReply]
_Error = Callable[[int, str], Mapping[str, Any]]

FORMATS: Mapping[str, tuple[_Answer, _Error]] = {
    "chat": (chat, openai_error),
    "messages": (messages, anthropic_error),
    "embeddings": (embeddings, openai_error),
}


def answer(format_name: str, body: bytes, options: EchoOptions) -> EchoReply:
    """A reply in any case: to a body that cannot be read, the vendor's error of status 400."""
    reply, error = FORMATS[format_name]
    if options.status is not None:
        return whole_reply(options.status, error(options.status, TOLD_TO_FAIL))
    try:
        parsed = orjson.loads(body)
        if not isinstance(parsed, dict):
            raise UnreadableBody("The body must be a JSON object.")
        return reply(parsed, blake2b(body, digest_size=12).hexdigest(), options)
    except orjson.JSONDecodeError:
        return whole_reply(400, error(400, "The body is not JSON."))
    except UnreadableBody as unreadable:
        return whole_reply(400, error(400, str(unreadable)))
