"""OpenAI Moderations."""

from collections.abc import Mapping
from typing import Any

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.routes import Manners, Target
from tollhouse.domain.usage import Usage
from tollhouse.wire import answers, json_text
from tollhouse.wire.document_meter import DocumentMeter
from tollhouse.wire.format import Meter
from tollhouse.wire.framing import Framing, WholeFraming
from tollhouse.wire.schema import RequestSchema

DEFAULT_MODEL = "omni-moderation-latest"
"""The vendor's own default, which its SDK leaves out. https://platform.openai.com/docs/api-reference/moderations"""

_SCHEMA = RequestSchema("moderations")
_FAULT = answers.objects_at("results")


class ModerationsFormat:
    """`POST /v1/moderations`: always whole, and free."""

    name = "moderations"
    dialect = "openai"
    requires_cap = False

    def read(self, body: Mapping[str, Any], size: int) -> Facts:
        _SCHEMA.check(body)
        return Facts(model=body.get("model") or DEFAULT_MODEL, size=size, generates=False, free=True)

    def write(self, call: Call, target: Target, cap: int | None, manners: Manners) -> bytes:
        return json_text.write({**call.body, "model": target.upstream_model})

    def surcharges(self, body: Mapping[str, Any]) -> bool:
        return False

    def framing(self, facts: Facts) -> Framing:
        return WholeFraming()

    def meter(self, facts: Facts, input_bound: int) -> Meter:
        return DocumentMeter(lambda document: None, Usage(), fault=_FAULT)
