"""Clients that speak Anthropic Messages, served by hosts that speak OpenAI Chat Completions."""

from collections.abc import Mapping, Sequence
from typing import Any

from tollhouse.domain.call import Call
from tollhouse.wire.messages_to_chat.losses import LOSSES
from tollhouse.wire.messages_to_chat.reply import WholeReply
from tollhouse.wire.messages_to_chat.request import translate
from tollhouse.wire.messages_to_chat.stream import StreamedReply
from tollhouse.wire.pair import ANYONE, Loss, Recipient, Translated
from tollhouse.wire.passthrough import Converter


class MessagesToChat:
    """The pair ("messages", "chat")."""

    losses: Sequence[Loss] = LOSSES

    def request(self, body: Mapping[str, Any], recipient: Recipient = ANYONE) -> Translated:
        return translate(body, recipient)

    def converter(self, call: Call) -> Converter:
        return StreamedReply(call) if call.facts.stream else WholeReply(call)
