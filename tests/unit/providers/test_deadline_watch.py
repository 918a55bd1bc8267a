from time import monotonic

import gevent
import pytest
from gevent.event import Event

from tollhouse.providers.deadline_watch import LOOK_SECONDS, DeadlineWatch


def wait(watch: DeadlineWatch, seconds: float, event: Event) -> float:
    """How long the wait took; it ends by the event, or raises TimeoutError."""
    began = monotonic()
    watch.begin(began + seconds)
    try:
        event.wait(30)
    finally:
        watch.end()
    return monotonic() - began


def test_a_wait_past_its_deadline_ends_in_an_error() -> None:
    watch, began = DeadlineWatch(), monotonic()
    with pytest.raises(TimeoutError):
        wait(watch, 0.1, Event())
    assert 0.1 <= monotonic() - began < 0.1 + 4 * LOOK_SECONDS


def test_only_those_that_are_late_are_ended() -> None:
    watch, event = DeadlineWatch(), Event()
    waits = [gevent.spawn(wait, watch, seconds, event) for seconds in (0.05, 10, 10)]
    gevent.sleep(0.05 + 3 * LOOK_SECONDS)
    assert [one.ready() for one in waits] == [True, False, False]
    assert isinstance(waits[0].exception, TimeoutError)
    event.set()
    gevent.joinall(waits[1:], timeout=1, raise_error=True)


def test_it_goes_on_after_a_time_without_waits() -> None:
    watch = DeadlineWatch()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            wait(watch, 0.01, Event())
        gevent.sleep(3 * LOOK_SECONDS)


def test_what_a_greenlet_does_after_its_wait_is_not_ended() -> None:
    watch, event = DeadlineWatch(), Event()
    event.set()
    wait(watch, 0.01, event)
    gevent.sleep(0.01 + 3 * LOOK_SECONDS)
