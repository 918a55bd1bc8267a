"""Tags: words that callers and keys put on calls, to budget and report by."""

import re
from collections.abc import Iterable

from tollhouse.domain.errors import InvalidField

MOST = 16
"""Tags of one call; each may have a budget, which is locked for the call."""
LONGEST = 64

_TAG = re.compile(r"[a-z0-9][a-z0-9._:/@+-]*\Z")

Tags = tuple[str, ...]
"""In order, each once, in lower case."""


def checked(words: Iterable[str], field: str) -> Tags:
    """What these words are as tags; empty ones are left out. InvalidField names the field."""
    tags = tuple(sorted({word.strip().lower() for word in words} - {""}))
    if len(tags) > MOST:
        raise InvalidField(f"{field}: there are more than {MOST} tags.", param=field)
    for tag in tags:
        if len(tag) > LONGEST or not _TAG.match(tag):
            raise InvalidField(
                f"{field}: {tag[:20]!r} is no tag: it may have up to {LONGEST} letters, digits and . _ : / @ + - only.",
                param=field,
            )
    return tags


def together(of_key: Tags, of_call: Tags) -> Tags:
    """All tags of a call. InvalidField where they are too many."""
    tags = tuple(sorted({*of_key, *of_call}))
    if len(tags) > MOST:
        raise InvalidField(
            f"X-Tollhouse-Tags: with those of its key, the call has more than {MOST} tags.", param="X-Tollhouse-Tags"
        )
    return tags


def joined(tags: Tags) -> str:
    """As one text in which each can be searched for with the commas around it; "" for none."""
    return f",{','.join(tags)}," if tags else ""


def split(text: str) -> Tags:
    """The tags of a joined text."""
    return tuple(text[1:-1].split(",")) if text else ()
