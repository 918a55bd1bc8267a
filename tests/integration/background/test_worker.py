import os
import signal

from tests.integration.background.conftest import WorkerProcess, wait_until


def test_a_kind_that_fails_leaves_one_line_with_its_stack_trace_and_the_worker_goes_on(
    lasting_worker: WorkerProcess,
) -> None:
    lasting_worker.wake("failing")
    (line,) = wait_until(lambda: lasting_worker.said("job_failed"))
    assert (line["kind"], line["error"]) == ("failing", "ValueError: it cannot be done")
    assert "program.py" in line["stack_trace"]
    lasting_worker.do("quick", "quick")
    assert lasting_worker.messages.count("job_failed") == 1


def test_a_work_horse_that_is_killed_is_said_to_be_and_the_worker_goes_on(lasting_worker: WorkerProcess) -> None:
    os.kill(lasting_worker.do("endless", "begun"), signal.SIGKILL)
    (line,) = wait_until(lambda: lasting_worker.said("job_killed"))
    assert (line["kind"], line["exit_code"]) == ("endless", -signal.SIGKILL)
    lasting_worker.do("quick", "quick")
