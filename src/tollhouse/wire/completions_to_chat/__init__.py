"""Clients of OpenAI's legacy Completions, served by hosts that speak Chat Completions."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tollhouse.domain.call import Call
from tollhouse.wire.completions_to_chat.losses import LOSSES
from tollhouse.wire.completions_to_chat.reply import WholeReply
from tollhouse.wire.completions_to_chat.request import translate
from tollhouse.wire.completions_to_chat.stream import StreamedReply
from tollhouse.wire.pair import ANYONE, Loss, Recipient, Translated
from tollhouse.wire.passthrough import Converter


class CompletionsToChat:
    """The pair ("completions", "chat"). `clock` tells the seconds of a completion whose host has no time."""

    losses: Sequence[Loss] = LOSSES

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def request(self, body: Mapping[str, Any], recipient: Recipient = ANYONE) -> Translated:
        return translate(body, recipient)

    def converter(self, call: Call) -> Converter:
        created = int(self._clock())
        return StreamedReply(call, created) if call.facts.stream else WholeReply(call, created)
