"""Clients of OpenAI Responses, served by hosts that speak OpenAI Chat Completions.

State is not known here: `previous_response_id` and `conversation` have become input items before a body comes here, and
`store` and `background` are somebody else's; a reply only echoes them. Ids and times of a reply are made of the call's
own id, so that there is no clock and no chance in a conversion.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tollhouse.domain.call import Call
from tollhouse.wire.pair import ANYONE, Loss, Recipient, Translated
from tollhouse.wire.passthrough import Converter
from tollhouse.wire.responses_to_chat.losses import LOSSES
from tollhouse.wire.responses_to_chat.reply import WholeReply
from tollhouse.wire.responses_to_chat.request import translate
from tollhouse.wire.responses_to_chat.stream import StreamedReply


class ResponsesToChat:
    """The pair ("responses", "chat")."""

    losses: Sequence[Loss] = LOSSES

    def request(self, body: Mapping[str, Any], recipient: Recipient = ANYONE) -> Translated:
        return translate(body, recipient)

    def converter(self, call: Call) -> Converter:
        return StreamedReply(call) if call.facts.stream else WholeReply(call)
