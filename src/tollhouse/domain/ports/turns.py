"""Work, and what else goes on meanwhile."""

from collections.abc import Callable
from typing import Protocol, TypeVar

Result = TypeVar("Result")


class Beside(Protocol):
    """Begins a piece of work beside whoever asks, where a process can; else does it at once."""

    live: bool
    """Whether it goes on beside."""

    def __call__(self, work: Callable[[], None], may_end: Callable[[], bool]) -> Callable[[], None]:
        """What ends the work: it raises ClientGone wherever that waits, if it then still may be ended. The work
        raises nothing.
        """


class InTurn:
    """Where nothing goes on beside."""

    live = False

    def __call__(self, work: Callable[[], None], may_end: Callable[[], bool]) -> Callable[[], None]:
        work()
        return lambda: None


class Outside(Protocol):
    """Runs a piece of work to its end where it holds up nobody else; gives what it gives, and raises what it raises."""

    def __call__(self, work: Callable[[], Result]) -> Result: ...


def at_once(work: Callable[[], Result]) -> Result:
    """Where nobody is held up."""
    return work()


class Interruptible(Protocol):
    """Runs a piece of work in the thread that asks; where `gone` comes true while it waits for a host, ClientGone is
    raised in it.
    """

    def __call__(self, work: Callable[[], Result], gone: Callable[[], bool]) -> Result: ...
