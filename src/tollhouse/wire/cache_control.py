"""The request header `cache-control`, as far as it is understood here."""

import re

from tollhouse.domain.caching import CacheControl
from tollhouse.domain.errors import InvalidField

NAME = "cache-control"
_SECONDS = re.compile(r'"?([0-9]{1,12})"?\Z')


def read_cache_control(text: str) -> CacheControl | None:
    """What it says; None where that is nothing that is understood here, which is passed over, as HTTP has it.
    InvalidField for a `max-age` that is no number.
    """
    max_age: int | None = None
    no_cache = no_store = False
    for directive in text.lower().split(","):
        name, _, value = directive.strip().partition("=")
        if name == "no-store":
            no_store = True
        elif name == "no-cache":
            no_cache = True
        elif name == "max-age":
            seconds = _SECONDS.match(value.strip())
            if seconds is None:
                raise InvalidField(
                    f"{NAME}: max-age is a whole number of seconds, as in max-age=600, and not {value[:40]!r}.",
                    param=NAME,
                )
            max_age = int(seconds[1])
    if max_age is None and not no_cache and not no_store:
        return None
    return CacheControl(max_age, no_cache, no_store)
