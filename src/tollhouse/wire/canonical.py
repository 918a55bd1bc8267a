"""What makes two requests the same, and which replies may be given again.

Two requests are the same where nothing but the order of names in their objects differs, a top-level field that is null
from one that is not there, or how the model is called. In a schema even order counts: hosts write in that order.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from tollhouse.wire.responses import keeps_state

REPEATABLE = frozenset({"chat", "completions", "messages", "responses", "embeddings", "moderations", "rerank"})
"""The formats whose replies are text, of a request that is all there is to know."""
_ORDERED = frozenset({"tools", "functions", "response_format", "text", "output_format", "output_config"})
_ELSEWHERE = ("container", "thread", "mcp_servers", "background", "web_search_options")
"""Fields by which a call goes on from what is kept at its host, or has it look around."""
_NOTHING: tuple[Any, ...] = (None, False, [])
"""An empty object says something: web_search_options need say no more."""
_KEPT_PART = re.compile(rb'"(?:file_id|previous_response_id)":"|"type":"item_reference"')
"""A name in the text of JSON; in a string its quotes would be escaped."""
_CALLERS_TOOLS = (None, "function", "custom", "namespace")
_WITHHELD = re.compile(rb'"(?:finish_reason|stop_reason|reason)":\s*"(?:content_filter|refusal)"')


def canonical(format: str, body: Mapping[str, Any]) -> bytes | None:
    """The request's text, the same for requests that are the same; None where its reply is not to be given again.

    Without the model and whether it is streamed, of which the facts tell.
    """
    if format not in REPEATABLE or any(body.get(name) not in _NOTHING for name in _ELSEWHERE):
        return None
    if (keeps_state(body) or body.get("prompt")) if format == "responses" else body.get("store"):
        return None
    if (tools := body.get("tools")) and not _are_callers(tools):
        return None
    plain: dict[str, Any] = {}
    ordered: dict[str, Any] = {}
    for name, value in body.items():
        if value is not None and name not in ("model", "stream"):
            (ordered if name in _ORDERED else plain)[name] = value
    text = orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)
    if ordered:
        text += orjson.dumps(sorted(ordered.items()))
    return None if _KEPT_PART.search(text) else text


def _are_callers(tools: Any) -> bool:
    """Whether nobody but the caller runs them: what a host's own tools find may be otherwise the next time."""
    return isinstance(tools, list) and all(
        isinstance(tool, dict) and tool.get("type") in _CALLERS_TOOLS for tool in tools
    )


def is_withheld(reply: bytes) -> bool:
    """Whether a filter has kept back a part of this reply, whole or streamed."""
    return _WITHHELD.search(reply) is not None
