"""What bytes mean: formats, and the matrix of translations between them.

The law of this folder: no I/O, standard library and codecs only; parsers are pushed bytes, never
pull; nothing here knows a host, a price or a policy.
"""

from collections.abc import Callable, Mapping

from tollhouse.domain.call import Call
from tollhouse.wire.chat import ChatFormat, is_usage_event, wants_usage
from tollhouse.wire.embeddings import EmbeddingsFormat
from tollhouse.wire.format import Format
from tollhouse.wire.messages import MessagesFormat
from tollhouse.wire.passthrough import Converter, Passthrough

FORMATS: Mapping[str, Format] = {format.name: format for format in (ChatFormat(), MessagesFormat(), EmbeddingsFormat())}


def _chat_to_chat(call: Call) -> Converter:
    # The usage event is the gateway's own wish, unless the caller had it too.
    return Passthrough(is_usage_event if call.facts.stream and not wants_usage(call.body) else None)


PAIRS: Mapping[tuple[str, str], Callable[[Call], Converter]] = {
    ("chat", "chat"): _chat_to_chat,
    ("messages", "messages"): lambda call: Passthrough(),
    ("embeddings", "embeddings"): lambda call: Passthrough(),
}
"""(client's format, upstream's format) -> what converts the reply. What is missing cannot be done."""


def upstream_format(client_format: str, spoken: frozenset[str]) -> Format | None:
    """The format to speak to a host that speaks these, for a client of this one; None when no pair joins them."""
    if client_format in spoken:
        return FORMATS[client_format]
    return next((FORMATS[name] for name in sorted(spoken) if (client_format, name) in PAIRS), None)
