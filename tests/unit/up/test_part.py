import signal

import pytest

from tollhouse.up import part
from tollhouse.up.part import Part, ended


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "ended with exit status 0"),
        (3, "ended with exit status 3"),
        (-signal.SIGKILL, "was killed by SIGKILL"),
        (-77, "was killed by signal 77"),
    ],
)
def test_an_end_is_told_by_its_status_or_its_signal(status: int, words: str) -> None:
    assert ended(status) == words


def test_the_wait_before_a_start_doubles_up_to_ten_seconds() -> None:
    one = Part("p", ["true"])
    assert [one.backoff() for _ in range(8)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]


def test_a_part_that_lived_long_is_started_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Part("p", ["sh", "-c", "exit 1"])
    for _ in range(5):
        one.backoff()
    for healthy_after, delay in ((1000.0, 6.4), (0.0, 0.2)):
        monkeypatch.setattr(part, "HEALTHY_AFTER", healthy_after)
        one.start()
        while one.running:
            pass
        assert one.death() == "ended with exit status 1"
        assert one.backoff() == delay


def test_a_death_is_told_once() -> None:
    one = Part("p", ["sh", "-c", "exit 1"])
    one.start()
    while one.running:
        pass
    assert (one.death(), one.death(), one.pid) == ("ended with exit status 1", None, None)
