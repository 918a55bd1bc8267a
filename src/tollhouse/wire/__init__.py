"""What bytes mean: formats, and the matrix of translations between them.

The law of this folder: no I/O, standard library and codecs only; parsers are pushed bytes, never
pull; nothing here knows a host, a price or a policy.
"""

from collections.abc import Mapping

from tollhouse.wire.chat import ChatFormat
from tollhouse.wire.chat_to_messages import ChatToMessages
from tollhouse.wire.completions import CompletionsFormat
from tollhouse.wire.completions_to_chat import CompletionsToChat
from tollhouse.wire.composed import Composed
from tollhouse.wire.count_tokens import CountTokensFormat
from tollhouse.wire.embeddings import EmbeddingsFormat
from tollhouse.wire.format import Format, FormFormat
from tollhouse.wire.identity import Identity, chat_identity, completions_identity, messages_identity
from tollhouse.wire.images import ImageEditsFormat, ImagesFormat, ImageVariationsFormat
from tollhouse.wire.messages import MessagesFormat
from tollhouse.wire.messages_to_chat import MessagesToChat
from tollhouse.wire.moderations import ModerationsFormat
from tollhouse.wire.pair import Pair
from tollhouse.wire.rerank import RerankFormat
from tollhouse.wire.responses import ResponsesFormat
from tollhouse.wire.responses_identity import ResponsesIdentity
from tollhouse.wire.responses_to_chat import ResponsesToChat
from tollhouse.wire.speech import SpeechFormat
from tollhouse.wire.transcriptions import TranscriptionsFormat, TranslationsFormat

FORM_FORMATS: Mapping[str, FormFormat] = {
    format.name: format
    for format in (ImageEditsFormat(), ImageVariationsFormat(), TranscriptionsFormat(), TranslationsFormat())
}
"""Those whose requests are uploads."""

_TEXT: tuple[Format, ...] = (
    ChatFormat(),
    CompletionsFormat(),
    MessagesFormat(),
    CountTokensFormat(),
    ResponsesFormat(),
    EmbeddingsFormat(),
)
_MEDIA: tuple[Format, ...] = (ModerationsFormat(), RerankFormat(), ImagesFormat(), SpeechFormat())

FORMATS: Mapping[str, Format] = {
    **{format.name: format for format in _TEXT},
    **{format.name: format for format in _MEDIA},
    **FORM_FORMATS,
}

PAIRS: Mapping[tuple[str, str], Pair] = {
    ("chat", "chat"): chat_identity,
    ("chat", "messages"): ChatToMessages(),
    ("messages", "messages"): messages_identity,
    ("messages", "chat"): MessagesToChat(),
    ("responses", "responses"): ResponsesIdentity(),
    ("responses", "chat"): ResponsesToChat(),
    ("responses", "messages"): Composed(ResponsesToChat(), ChatToMessages()),
    ("completions", "completions"): completions_identity,
    ("completions", "chat"): CompletionsToChat(),
    ("completions", "messages"): Composed(CompletionsToChat(), ChatToMessages()),
    ("count_tokens", "count_tokens"): messages_identity,
    ("embeddings", "embeddings"): Identity(),
    # Nothing else can stand in for these.
    **{(format.name, format.name): Identity() for format in (*_MEDIA, *FORM_FORMATS.values())},
}
"""(client's format, upstream's format) -> what serves the one from the other. What is missing cannot be done."""


def upstream_format(client_format: str, spoken: frozenset[str]) -> Format | None:
    """The format to speak to a host that speaks these, for a client of this one; None when no pair joins them.

    The client's own first; then in the order of the matrix.
    """
    for client, upstream in PAIRS:
        if client == client_format and upstream in spoken:
            return FORMATS[upstream]
    return None
