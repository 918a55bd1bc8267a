"""Anthropic's count of a message's tokens, before it is sent."""

from collections.abc import Mapping
from typing import Any

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.routes import Manners, Target
from tollhouse.domain.usage import Usage
from tollhouse.wire import answers, json_text
from tollhouse.wire.format import Meter
from tollhouse.wire.framing import Framing, WholeFraming
from tollhouse.wire.schema import RequestSchema
from tollhouse.wire.vocabulary import anthropic_usage
from tollhouse.wire.whole import WholeMeter

_SCHEMA = RequestSchema("count_tokens")
_NOTHING = Usage()


class CountTokensFormat:
    """`POST /v1/messages/count_tokens`: always whole, and nothing is used."""

    name = "count_tokens"
    dialect = "anthropic"
    requires_cap = False

    def read(self, body: Mapping[str, Any], size: int) -> Facts:
        _SCHEMA.check(body)
        return Facts(
            model=body["model"],
            size=size,
            messages=len(body["messages"]),
            tools=len(body.get("tools") or ()),
            generates=False,
            free=True,
        )

    def write(self, call: Call, target: Target, cap: int | None, manners: Manners) -> bytes:
        return json_text.write({**call.body, "model": target.upstream_model})

    def surcharges(self, body: Mapping[str, Any]) -> bool:
        return False

    def framing(self, facts: Facts) -> Framing:
        return WholeFraming()

    def meter(self, facts: Facts, input_bound: int) -> Meter:
        return _FreeMeter(anthropic_usage, facts, input_bound, fault=answers.count_of_tokens)


class _FreeMeter(WholeMeter):
    """The tokens that are counted here are used, and booked, by the call that is made of them."""

    def usage(self) -> Usage:
        return _NOTHING
