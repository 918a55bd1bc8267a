"""A call, as it was read and checked, before it is routed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Facts:
    """What the pipeline must know of a body, whatever its format says it in.

    `size` is the body's length in bytes, which bounds the tokens of its text: no byte-level
    tokenizer makes more tokens than bytes. `output_cap` is what the caller asked for, per choice.
    `surcharged` says that the provider may bill more than tokens at list prices: for its own tools, a
    faster tier, audio, a longer cache.
    """

    model: str
    size: int
    stream: bool = False
    output_cap: int | None = None
    choices: int = 1
    messages: int = 0
    tools: int = 0
    media: int = 0
    surcharged: bool = False
    generates: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """One request for inference. `body` is parsed and checked JSON, and nobody writes to it.

    `strict` says that the caller would rather be refused than lose a field in translation; `translated`, that
    the body is not the caller's own wording; `tags` are those that came with this call.
    """

    request_id: str
    format: str
    body: Mapping[str, Any]
    facts: Facts
    headers: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    translated: bool = False
    tags: tuple[str, ...] = ()


HOP_HEADER = "x-tollhouse-hop"
"""Goes out with every upstream call; whoever receives it has been called by a gateway, maybe by itself."""
