"""Work that keeps a processor busy holds up no greenlet."""

import subprocess
import sys

import pytest

from tollhouse.outside import outside_the_loop

UNDER_GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent, threading
from tollhouse.outside import outside_the_loop
outside = outside_the_loop(2)

ticks = []
def tick():
    while True:
        gevent.sleep(0.01)
        ticks.append(1)
gevent.spawn(tick)
block = monkey.get_original("time", "sleep")
block(0.3)
assert not ticks  # this is how it would be without
assert outside(lambda: block(0.5) or "done") == "done"
assert len(ticks) > 5, len(ticks)
def fail():
    raise LookupError("as it is")
try:
    outside(fail)
except LookupError as error:
    print(error)
"""


def test_greenlets_go_on_while_it_runs_and_its_errors_come_through() -> None:
    done = subprocess.run([sys.executable, "-c", UNDER_GEVENT], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "as it is", done.stderr


def test_where_there_are_no_greenlets_it_is_a_call() -> None:
    outside = outside_the_loop(2)
    assert outside(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        outside(lambda: 1 // 0)
