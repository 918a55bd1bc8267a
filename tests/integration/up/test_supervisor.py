"""Real processes, started, killed and stopped."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tollhouse.domain.errors import Unavailable
from tollhouse.up.part import Part
from tollhouse.up.supervisor import Interrupted, Supervisor

ROOT = Path(__file__).parents[3]
SUPERVISES = """
import signal, sys, tempfile
from pathlib import Path
from tollhouse.up.part import Part
from tollhouse.up.supervisor import Supervisor
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup, and what is ignored stays so in children
with Supervisor(lambda text: print(text, flush=True)) as supervisor:
    deafened = Path(tempfile.mkdtemp(dir=sys.argv[1])) / "deafened"
    script = f"trap '' TERM; touch {deafened}; while :; do sleep 0.1; done"
    deaf = Part("deaf", ["sh", "-c", script], grace_seconds=GRACE, ready=deafened.exists)
    plain = Part("plain", ["sleep", "60"])
    supervisor.start(plain)
    supervisor.start(deaf)
    print(plain.pid, deaf.pid, flush=True)
    supervisor.watch()
print("stopped", flush=True)
"""
KEEPS_A_LOCK = """
import fcntl, os, signal, sys, time
lock = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit(2)
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(sys.argv[1] + ".held", "w").close()
time.sleep(60)
"""


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def alive(pid: int) -> bool:
    """Whether the process runs: one that ended and was not yet collected does not."""
    command = ["/bin/ps", "-o", "stat=", "-p", str(pid)]
    state = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return bool(state) and not state.startswith("Z")


def eventually(holds: Callable[[], bool], within: float = 5.0) -> bool:
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Running:
    """A supervisor in a process of its own, with one part that obeys and one that does not."""

    def __init__(self, folder: Path, grace: float) -> None:
        program = SUPERVISES.replace("GRACE", str(grace))
        self.process = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.parts = [int(word) for word in self.process.stdout.readline().split()]

    def end(self) -> str:
        return self.process.communicate(timeout=20)[0]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str]) -> Supervisor:
    return Supervisor(said.append)


def interrupt_after(seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


def test_a_part_that_dies_is_named_and_started_again(supervisor: Supervisor, said: list[str]) -> None:
    part = Part("echo", ["sleep", "60"])
    pids = []
    with supervisor:
        supervisor.start(part)
        pids.append(part.pid)
        assert part.pid
        os.kill(part.pid, signal.SIGKILL)
        interrupt_after(0.6)
        supervisor.watch()
        pids.append(part.pid)
        assert part.running
    assert said == ["echo was killed by SIGKILL; it is started again in 0.2 s."]
    assert None not in pids
    assert len({*pids}) == 2


def test_a_part_that_keeps_dying_is_started_less_and_less_often(supervisor: Supervisor, said: list[str]) -> None:
    with supervisor:
        supervisor.start(Part("sad", shell("exit 4")))
        interrupt_after(1.0)
        supervisor.watch()
    waits = (0.2, 0.4, 0.8)
    assert len(said) >= 2
    assert said == [f"sad ended with exit status 4; it is started again in {n} s." for n in waits][: len(said)]


def test_what_a_dead_part_had_started_is_ended_before_it_is_in_the_way(supervisor: Supervisor, tmp_path: Path) -> None:
    child = tmp_path / "child"
    part = Part(
        "parent", shell(f"[ -e {child} ] || (sleep 60 & echo $! > {child}.new; mv {child}.new {child}); exec sleep 61")
    )
    with supervisor:
        supervisor.start(part)
        assert eventually(child.exists)
        assert part.pid
        os.kill(part.pid, signal.SIGKILL)
        interrupt_after(0.5)
        supervisor.watch()
        assert not alive(int(child.read_text()))


def test_a_part_with_a_setting_that_is_wrong_is_given_up(supervisor: Supervisor, said: list[str]) -> None:
    with supervisor:
        supervisor.start(Part("worker", shell("exit 2")))
        too_late = interrupt_after(5)
        with pytest.raises(Unavailable) as failure:
            supervisor.watch()
        too_late.cancel()
    assert failure.value.message == "worker cannot run with these settings: see what it said above."
    assert said == []


def test_a_part_that_misses_what_its_orphans_hold_gets_it(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    part = Part("web", [sys.executable, "-c", KEEPS_A_LOCK, str(tmp_path / "lock")], grace_seconds=60)
    with supervisor:
        supervisor.start(part)
        assert eventually((tmp_path / "lock.held").exists)
        assert part.pid
        os.kill(part.pid, signal.SIGKILL)
        interrupt_after(2)
        supervisor.watch()
        assert part.running
    assert said == [
        "web was killed by SIGKILL; it is started again in 0.2 s.",
        "web ended with exit status 2; it is started again in 0.4 s.",
    ]


def test_a_part_that_ends_before_it_is_ready_is_given_up_with_what_to_do(supervisor: Supervisor) -> None:
    with supervisor, pytest.raises(Unavailable) as failure:
        supervisor.start(Part("web", shell("exit 7"), ready=lambda: False, hint="read the manual"))
    assert failure.value.message == (
        "web ended with exit status 7 before it was ready: see what it said above; read the manual."
    )


def test_a_part_that_is_not_ready_in_time_is_given_up(supervisor: Supervisor) -> None:
    part = Part("web", ["sleep", "60"], ready=lambda: False, ready_seconds=0.2)
    with supervisor, pytest.raises(Unavailable, match=r"^web was not ready in 0.2 s\.$"):
        supervisor.start(part)
    assert not part.running


def test_a_missing_command_is_given_up(supervisor: Supervisor, capfd: pytest.CaptureFixture[str]) -> None:
    with supervisor, pytest.raises(Unavailable, match="ended with exit status 126"):
        supervisor.start(Part("web", ["/no/such/command"], ready=lambda: False))
    assert capfd.readouterr().err == "/no/such/command cannot be started: No such file or directory.\n"


def test_a_signal_ends_the_wait_for_a_part(supervisor: Supervisor) -> None:
    part = Part("web", ["sleep", "60"], ready=lambda: False)
    with supervisor:
        interrupt_after(0.2)
        with pytest.raises(Interrupted):
            supervisor.start(part)
    assert not part.running


def test_a_signal_ends_a_step_that_does_not_look_for_one(supervisor: Supervisor) -> None:
    started = time.monotonic()
    with supervisor:
        interrupt_after(0.2)
        with pytest.raises(Interrupted), supervisor.interruptible():
            time.sleep(20)
    assert time.monotonic() - started < 5


def test_parts_stop_in_the_reverse_order_and_those_of_one_start_together(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    def part(name: str, seconds: float) -> Part:
        return Part(
            name,
            shell(
                f"trap 'sleep {seconds}; echo {name} >> {tmp_path}/ends; exit' TERM; touch {tmp_path}/{name};"
                " while :; do sleep 0.02; done"
            ),
            ready=(tmp_path / name).exists,
        )

    with supervisor:
        supervisor.start(part("redis", 0))
        supervisor.start(part("slow", 0.6), part("quick", 0.1))
        supervisor.start(part("web", 0.2))
    assert (tmp_path / "ends").read_text().split() == ["web", "quick", "slow", "redis"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_with_status_0_and_kills_what_does_not_stop(
    tmp_path: Path, number: signal.Signals
) -> None:
    running = Running(tmp_path, grace=0.3)
    running.process.send_signal(number)
    assert running.end() == "deaf did not stop in 0.3 s and is killed.\nstopped\n"
    assert running.process.returncode == 0
    assert not any(alive(pid) for pid in running.parts)


def test_a_second_signal_kills_at_once(tmp_path: Path) -> None:
    running = Running(tmp_path, grace=60)
    running.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert alive(running.parts[1])
    running.process.send_signal(signal.SIGINT)
    assert running.end() == "stopped\n"
    assert not any(alive(pid) for pid in running.parts)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_killed_supervisor_takes_its_parts_along(tmp_path: Path) -> None:
    running = Running(tmp_path, grace=60)
    assert all(alive(pid) for pid in running.parts)
    running.process.kill()
    running.end()
    assert eventually(lambda: not any(alive(pid) for pid in running.parts))


def test_a_part_is_out_of_reach_of_the_terminal(tmp_path: Path) -> None:
    running = Running(tmp_path, grace=0.1)
    sessions = {os.getsid(pid) for pid in running.parts}
    assert sessions == {*running.parts}
    running.process.terminate()
    running.end()
