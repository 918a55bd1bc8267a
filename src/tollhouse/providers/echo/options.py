"""How the echo provider behaves: the query of its host's base URL, as `echo:?delay_ms=50&status=503`."""

from dataclasses import dataclass, fields
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

from tollhouse.domain.errors import InvalidField

_LIMITS = {"delay_ms": (0, 3_600_000), "chunk_ms": (0, 3_600_000), "status": (400, 599)}
_AT_MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class EchoOptions:
    """`delay_ms`: before the first byte. `chunk_ms`: between two words of a stream. `status`: answer with
    this error, and with `retry_after` seconds if given. `words`: say so many words, not what was said.

    After so many words of a stream, 0 being before anything: `cut_after` loses the connection,
    `error_after` sends an error event and ends, `silent_after` sends nothing more. A whole reply is
    cut, or falls silent, in its middle, or before anything at 0; it has no place for an error event.
    """

    delay_ms: int = 0
    chunk_ms: int = 0
    status: int | None = None
    retry_after: int | None = None
    cut_after: int | None = None
    error_after: int | None = None
    silent_after: int | None = None
    words: int | None = None

    @property
    def stop(self) -> tuple[int, str] | None:
        """After how many words the reply stops, and how; the earliest, where several are given."""
        stops = {"cut": self.cut_after, "error": self.error_after, "silent": self.silent_after}
        return min(((after, how) for how, after in stops.items() if after is not None), default=None)


_NAMES = tuple(one.name for one in fields(EchoOptions))


@lru_cache(maxsize=256)
def read_options(base_url: str) -> EchoOptions:
    """The options in an `echo:` URL. InvalidField names the one that is wrong."""
    parts = urlsplit(base_url)
    if parts.netloc or parts.path or parts.fragment:
        raise _invalid("An echo URL is echo: and, after a question mark, options: echo:?delay_ms=50.")
    try:
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True) if parts.query else []
    except ValueError:
        raise _invalid("The options of an echo URL are written echo:?delay_ms=50&chunk_ms=10.") from None
    values: dict[str, int] = {}
    for name, text in given:
        if name not in _NAMES:
            raise _invalid(f"{name[:50]!r} is no option of echo; those are {', '.join(_NAMES)}.")
        if name in values:
            raise _invalid(f"The option {name} of echo is given twice.")
        least, most = _LIMITS.get(name, (0, _AT_MOST))
        if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
            raise _invalid(f"The option {name} of echo must be a whole number from {least} to {most}.")
        values[name] = int(text)
    return EchoOptions(**values)


def _invalid(sentence: str) -> InvalidField:
    return InvalidField(sentence, param="base_url")
