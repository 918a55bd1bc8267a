import signal
import time
from pathlib import Path

from tests.integration.background.conftest import WorkerProcess, is_alive, wait_until
from tests.servers.valkey import ValkeyServer


def test_a_wake_up_is_done_in_a_process_of_its_own_and_sigterm_ends_the_worker(worker: WorkerProcess) -> None:
    first = worker.do("quick", "quick")
    second = worker.do("quick", "quick")
    assert len({first, second, worker.process.pid}) == 3
    assert worker.end() == 0
    assert worker.messages == [
        "worker_started",
        "job_done",
        "job_done",
        "worker_stopped",
    ]


def test_a_worker_that_is_killed_leaves_no_work_horse(worker: WorkerProcess) -> None:
    horse = worker.do("endless", "begun")
    assert is_alive(horse)
    worker.end(signal.SIGKILL)
    wait_until(lambda: not is_alive(horse), 2)


def test_sigterm_lets_the_running_job_end(worker: WorkerProcess) -> None:
    horse = worker.do("slow", "begun")
    assert worker.end() == 0
    assert worker.did("ended") == [horse]
    assert worker.said("job_done")


def test_a_running_job_hears_that_it_should_begin_nothing_more(worker: WorkerProcess) -> None:
    horse = worker.do("patient", "begun")
    assert worker.end() == 0
    assert worker.did("told") == worker.did("ended") == [horse]
    assert worker.said("job_done")


def test_a_second_sigterm_ends_the_running_job_too(worker: WorkerProcess) -> None:
    horse = worker.do("endless", "begun")
    worker.process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    began = time.monotonic()
    assert worker.end() == 0
    assert time.monotonic() - began < 3
    assert not is_alive(horse)


def test_a_job_that_goes_on_for_too_long_after_sigterm_is_cut(valkey: ValkeyServer, tmp_path: Path) -> None:
    worker = WorkerProcess(valkey.url, tmp_path, stop_seconds=0.1)
    try:
        horse = worker.do("endless", "begun")
        assert worker.end() == 0
        assert not is_alive(horse)
        assert worker.said("job_cut")
    finally:
        worker.close()
