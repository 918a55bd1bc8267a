"""What a wire format is: how a request is read and written, and how a reply is framed and metered."""

from collections.abc import Mapping
from typing import Any, Protocol

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.form import Form
from tollhouse.domain.ports import Body
from tollhouse.domain.routes import Manners, Target
from tollhouse.domain.usage import Usage
from tollhouse.wire.framing import Framing


class Meter(Protocol):
    """Reads the usage off an upstream's frames. Total: any prefix of any bytes has a usage; never raises."""

    started: bool
    """Whether the point of no return is reached: the status line may be written."""
    complete: bool
    """Whether the reply said by itself that it is at its end."""
    problem: str | None
    """What is wrong with the reply, where something is."""
    refused: bool
    """Whether the upstream itself says that it failed."""
    said: Any
    """The document or event in which it says so, None before that."""
    first_token: bool
    """Whether output has been seen."""

    def feed(self, frame: bytes) -> None: ...

    def finish(self) -> None:
        """The upstream has ended cleanly."""

    def usage(self) -> Usage: ...


class Format(Protocol):
    """One wire protocol. Stateless; it does no I/O."""

    name: str
    dialect: str
    """Whose error shapes and headers it has: "openai" or "anthropic"."""
    requires_cap: bool
    """Whether its hosts insist on an output cap, which callers of other formats need not have said."""

    def read(self, body: Mapping[str, Any], size: int) -> Facts:
        """The facts of a request. InvalidField names what is wrong."""

    def write(self, call: Call, target: Target, cap: int | None, manners: Manners) -> Body:
        """The request as it is sent: the same body with the permitted edits. `cap` is None to leave it be."""

    def surcharges(self, body: Mapping[str, Any]) -> bool:
        """Whether a host may bill more for this body than tokens at list prices."""

    def framing(self, facts: Facts) -> Framing: ...

    def meter(self, facts: Facts, input_bound: int) -> Meter:
        """`input_bound` is what is charged as input when the upstream never says."""


class FormFormat(Format, Protocol):
    """A format whose requests are uploads."""

    def read_form(self, form: Form) -> Facts:
        """The facts of an upload. InvalidField names what is wrong."""
