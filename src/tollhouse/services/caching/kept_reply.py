"""A reply that is kept to be given again: as it is stored, and as an exchange that stands in for the upstream's."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from tollhouse.domain.routes import Route, Target
from tollhouse.wire import json_text


@dataclass(frozen=True, slots=True)
class KeptReply:
    """What a caller got, in its own format, when `made_at` was now, in Unix seconds. `cost` is what it cost then, in
    nano-dollars, None without a price; `deployment` and `upstream_model` say who made it.
    """

    text: bytes
    content_type: str
    dropped: tuple[str, ...]
    cap: int | None
    deployment: str
    upstream_model: str
    cost: int | None
    made_at: float

    def write(self) -> bytes:
        """A line of JSON, and what the caller got."""
        head = asdict(self)
        del head["text"]
        return json_text.write(head) + b"\n" + self.text

    def source(self, route: Route) -> Target | None:
        """Who made it, as far as calls of this route still go there."""
        for target in route.targets:
            if target.deployment == self.deployment and target.upstream_model == self.upstream_model:
                return target
        return None


@dataclass(frozen=True, slots=True)
class SimilarReply:
    """Under the key of this was kept what was said to a similar question."""

    key: str
    similarity: float

    def write(self) -> bytes:
        """A line of JSON."""
        return json_text.write(asdict(self)) + b"\n"


def read_kept(stored: bytes) -> KeptReply | SimilarReply | None:
    """What `write` wrote; None for anything else, such as what another version of this program wrote."""
    head, found, text = stored.partition(b"\n")
    document = json_text.read_leniently(head) if found else None
    if not isinstance(document, dict):
        return None
    try:
        if "similarity" in document:
            return SimilarReply(**document)
        return KeptReply(text, **{**document, "dropped": tuple(document["dropped"])})
    except (KeyError, TypeError):
        return None


class KeptExchange:
    """Gives a kept reply again, at once."""

    status = 200
    headers: Mapping[str, str] = {}
    returned: Mapping[str, str] = {}

    def __init__(self, text: bytes) -> None:
        self._left = text

    def read(self) -> bytes:
        text, self._left = self._left, b""
        return text

    def close(self) -> None:
        self._left = b""
