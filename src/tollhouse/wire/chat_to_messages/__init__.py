"""Clients of OpenAI Chat Completions, served by hosts that speak Anthropic Messages."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tollhouse.domain.call import Call
from tollhouse.wire.chat_to_messages.losses import LOSSES
from tollhouse.wire.chat_to_messages.reply import WholeReply
from tollhouse.wire.chat_to_messages.request import translate
from tollhouse.wire.chat_to_messages.stream import StreamedReply
from tollhouse.wire.pair import ANYONE, Loss, Recipient, Translated
from tollhouse.wire.passthrough import Converter


class ChatToMessages:
    """`clock` tells the seconds that a completion's `created` says, for a Message has no time."""

    losses: Sequence[Loss] = LOSSES

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def request(self, body: Mapping[str, Any], recipient: Recipient = ANYONE) -> Translated:
        return translate(body, recipient)

    def converter(self, call: Call) -> Converter:
        created = int(self._clock())
        return StreamedReply(call, created) if call.facts.stream else WholeReply(call, created)
