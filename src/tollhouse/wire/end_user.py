"""Whom a call is made for, as the caller says: the field that each vendor has for it."""

from collections.abc import Mapping
from typing import Any

LONGEST = 256
"""Characters that are kept. Anthropic takes as many; the longest that is known, of a coding agent, has 160."""
_NOT_SHOWN = "\N{REPLACEMENT CHARACTER}"


def end_user_of(body: Mapping[str, Any]) -> str | None:
    """`user`, its successor `safety_identifier`, or Anthropic's `metadata.user_id`: the first that is a text. None
    where there is none. What no database can keep is replaced, and a longer one is cut.
    """
    said = body.get("user") or body.get("safety_identifier")
    if said is None and isinstance(metadata := body.get("metadata"), dict):
        said = metadata.get("user_id")
    if not isinstance(said, str) or not said:
        return None
    said = said[:LONGEST]
    # False for control characters, NUL above all, and for halves of surrogate pairs.
    return said if said.isprintable() else "".join(one if one.isprintable() else _NOT_SHOWN for one in said)
