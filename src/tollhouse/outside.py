"""Where a process of greenlets does what keeps a processor busy, or waits for a disk: in threads of the system."""

from collections.abc import Callable
from typing import Any, cast

from tollhouse.domain.errors import ClientGone
from tollhouse.domain.ports import Beside, InTurn, Outside, Result, at_once

LOOK_SECONDS = 0.25
"""How late it may be noticed that nobody waits any more."""


def outside_the_loop(threads: int = 10) -> Outside:
    """Where threads are greenlets, a long piece of work would hold up all of them: it gets a thread of the system."""
    from gevent import get_hub, monkey

    if not monkey.is_module_patched("threading"):
        return at_once
    from gevent.threadpool import ThreadPool

    pool = ThreadPool(threads, hub=get_hub())

    def outside(work: Callable[[], Result]) -> Result:
        # What it raises comes back as a value: gevent would write a traceback of it.
        result, error = pool.apply(_caught, (work,))
        if error is not None:
            raise error
        return cast(Result, result)

    return outside


class Greenlets:
    """The Beside port, where threads are greenlets."""

    live = True

    def __call__(self, work: Callable[[], None], may_end: Callable[[], bool]) -> Callable[[], None]:
        import gevent

        greenlet = gevent.spawn(work)

        def throw() -> None:
            # In the hub: whoever works has been switched away from, and can be thrown into.
            if not greenlet.dead and may_end():
                greenlet.throw(ClientGone())

        def end() -> None:
            gevent.get_hub().loop.run_callback(throw)

        return end


def beside_the_loop() -> Beside:
    """Work in greenlets of its own, where threads are greenlets."""
    from gevent import monkey

    return Greenlets() if monkey.is_module_patched("threading") else InTurn()


def interruptible(work: Callable[[], Result], gone: Callable[[], bool]) -> Result:
    """The port Interruptible, for threads of the system: each has a loop of its own, in which it waits for hosts."""
    from gevent import get_hub, getcurrent

    waiting: Any = getcurrent()
    timer = get_hub().loop.timer(LOOK_SECONDS, LOOK_SECONDS, ref=False)

    def look() -> None:
        # Runs in the hub, and so only while whoever waits has been switched away from.
        if gone():
            timer.stop()
            waiting.throw(ClientGone)

    timer.start(look)
    try:
        return work()
    finally:
        timer.stop()
        timer.close()


def end_thread() -> None:
    """What gevent made for a thread of the system that is about to end."""
    from gevent import get_hub

    get_hub().destroy(destroy_loop=True)


def _caught(work: Callable[[], Result]) -> tuple[Any, Exception | None]:
    try:
        return work(), None
    except Exception as error:  # noqa: BLE001 - whoever asked for the work gets it
        return None, error
