"""A call, as it was read and checked, before it is routed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Never, Protocol

from tollhouse.domain.caching import CacheControl
from tollhouse.domain.course import Course
from tollhouse.domain.form import Form
from tollhouse.domain.values import value

Unit = Literal["image", "second", "character", "search"]
"""What calls are priced by that are not priced by their tokens."""


@value
class Facts:
    """What the pipeline must know of a body, whatever its format says it in.

    `size` is the body's length in bytes, which bounds the tokens of its text: no byte-level
    tokenizer makes more tokens than bytes. `output_cap` is what the caller asked for, per choice.
    `media` are the parts whose tokens their bytes do not bound; `images` of these are images, in `image_size` bytes of
    the body: of them, what is usual is known.
    `free` says that nothing is used and nothing billed, as when tokens are only counted.
    `surcharged` says that the provider may bill more than tokens at list prices: for its own tools, a
    faster tier, audio, a longer cache.

    `unit` is what else the call may be priced by, and `units` how many thousandths of it, as far as that is
    known before it is sent: `units_bounded` says whether it is a bound, or a guess. `reply` is the kind of
    reply that is asked for, in the word of the format, where it has such a word. `batched` says that it goes to the
    provider's own batch interface, at its prices.
    """

    model: str
    size: int
    stream: bool = False
    output_cap: int | None = None
    choices: int = 1
    messages: int = 0
    tools: int = 0
    media: int = 0
    images: int = 0
    image_size: int = 0
    surcharged: bool = False
    generates: bool = True
    free: bool = False
    unit: Unit | None = None
    units: int = 0
    units_bounded: bool = True
    reply: str = ""
    batched: bool = False


class Room(Protocol):
    """Memory that is set aside for a body."""

    def shrink(self, size: int) -> None:
        """No more than so many bytes are needed from here on."""


class _LetGo(Mapping[str, Any]):
    """In place of a body: whoever reads it all the same is told."""

    def __getitem__(self, name: str) -> Never:
        raise RuntimeError(f"The body was let go when it was sent; {name} has to be read before.")

    def __iter__(self) -> Never:
        raise RuntimeError("The body was let go when it was sent.")

    __len__ = __iter__


_LET_GO = _LetGo()


@dataclass(slots=True)
class Call:
    """One request for inference. `body` is parsed and checked JSON, and nobody writes to it; of an upload, which
    is in `form`, it is the fields. Whoever made the form closes it, once the call was opened. Nobody changes a call
    either: all that ever happens to one is that its body is `let_go`.

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
    form: Form | None = None
    tags: tuple[str, ...] = ()
    room: Room | None = field(default=None, compare=False)
    cache_control: CacheControl | None = None
    course: Course = field(default_factory=Course, compare=False)

    def let_go(self, left: int) -> None:
        """No host will be asked again: the body takes no memory any more, but for `left` bytes of it as written."""
        self.body = _LET_GO
        if self.room is not None:
            self.room.shrink(left)


HOP_HEADER = "x-tollhouse-hop"
"""Goes out with every upstream call; whoever receives it has been called by a gateway, maybe by itself."""
