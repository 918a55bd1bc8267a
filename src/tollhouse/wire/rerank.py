"""Rerank, as Cohere, Jina and vLLM have it: which documents answer a query best."""

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
from tollhouse.wire.vocabulary import count

DOCUMENTS_OF_A_SEARCH = 100
"""A search is one query with up to so many documents. https://cohere.com/pricing"""

_SCHEMA = RequestSchema("rerank")
_FAULT = answers.objects_at("results", "data")  # the latter as Voyage has it


class RerankFormat:
    """`POST /v1/rerank`: always whole; paid for by the search, or by the tokens that were read."""

    name = "rerank"
    dialect = "openai"
    requires_cap = False

    def read(self, body: Mapping[str, Any], size: int) -> Facts:
        _SCHEMA.check(body)
        documents = body["documents"]
        query = len(json_text.write(body["query"]))
        return Facts(
            model=body["model"],
            # Hosts read the query anew with each document.
            size=size + query * len(documents),
            media=sum(_is_media(one) for one in (body["query"], *documents)),
            generates=False,
            unit="search",
            units=1000 * -(-len(documents) // DOCUMENTS_OF_A_SEARCH),
        )

    def write(self, call: Call, target: Target, cap: int | None, manners: Manners) -> bytes:
        return json_text.write({**call.body, "model": target.upstream_model})

    def surcharges(self, body: Mapping[str, Any]) -> bool:
        return False

    def framing(self, facts: Facts) -> Framing:
        return WholeFraming()

    def meter(self, facts: Facts, input_bound: int) -> Meter:
        return DocumentMeter(_usage, Usage(input=input_bound, estimated=True, units=facts.units), fault=_FAULT)


def _is_media(document: Any) -> bool:
    """An object with anything but text in it, whose tokens its bytes do not bound."""
    return isinstance(document, dict) and any(not isinstance(value, str) for value in document.values())


def _usage(document: Mapping[str, Any]) -> Usage | None:
    meta, usage = document.get("meta"), document.get("usage")
    billed = meta.get("billed_units") if isinstance(meta, dict) else None
    billed = billed if isinstance(billed, dict) else {}
    usage = usage if isinstance(usage, dict) else {}
    searches = count(billed.get("search_units")) or count(usage.get("search_units"))
    tokens = count(usage.get("total_tokens")) or count(usage.get("prompt_tokens")) or count(billed.get("input_tokens"))
    return Usage(input=tokens, units=1000 * searches) if searches or tokens else None
