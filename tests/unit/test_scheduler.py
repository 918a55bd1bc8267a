import threading
import time
from collections import Counter

import pytest

from tollhouse import scheduler
from tollhouse.scheduler import LEASE_SECONDS, Scheduler


class Leases:
    """One lease, on a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.owner: str | None = None
        self.until = 0.0
        self.away = False

    def take(self, name: str, owner: str, seconds: float) -> bool:
        if self.away:
            raise OSError("the database is away")
        if self.owner not in (None, owner) and self.now < self.until:
            return False
        self.owner, self.until = owner, self.now + seconds
        return True

    def release(self, name: str, owner: str) -> None:
        if self.away:
            raise OSError("the database is away")
        if self.owner == owner:
            self.owner = None


class Queue:
    def __init__(self) -> None:
        self.woken: list[str] = []
        self.away = False
        self.asked = 0

    def enqueue(self, kind: str) -> bool:
        self.asked += 1
        if not self.away:
            self.woken.append(kind)
        return not self.away

    def ping(self) -> bool:
        return not self.away


class World:
    """Schedulers that share one lease, one queue and one clock."""

    def __init__(self) -> None:
        self.leases = Leases()
        self.queue = Queue()
        self.schedulers: list[Scheduler] = []

    def add(self, **intervals: float) -> Scheduler:
        self.schedulers.append(Scheduler(self.leases, self.queue, intervals, clock=lambda: self.leases.now))
        return self.schedulers[-1]

    def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            self.leases.now += 1
            for each in self.schedulers:
                each.tick()


@pytest.fixture
def world() -> World:
    return World()


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "tollhouse"]


def test_each_kind_is_woken_at_the_start_and_then_once_in_its_interval(world: World) -> None:
    world.add(often=2, seldom=10)
    world.pass_seconds(21)
    assert Counter(world.queue.woken) == {"often": 11, "seldom": 3}


def test_of_two_schedulers_one_acts(world: World) -> None:
    world.add(often=2)
    world.add(often=2)
    world.pass_seconds(20)
    assert len(world.queue.woken) == 10


def test_when_the_one_that_acts_is_killed_the_other_takes_over_after_the_lease(world: World) -> None:
    world.add(often=2)
    world.add(often=2)
    world.pass_seconds(10)
    world.schedulers.pop(0)
    woken = len(world.queue.woken)
    world.pass_seconds(int(LEASE_SECONDS) - 1)
    assert len(world.queue.woken) == woken
    world.pass_seconds(2)
    assert len(world.queue.woken) > woken


def test_without_redis_a_kind_stays_due_and_the_others_are_not_tried(world: World) -> None:
    world.add(a=100, b=100)
    world.queue.away = True
    world.pass_seconds(5)
    assert world.queue.asked == 5
    world.queue.away = False
    world.pass_seconds(1)
    assert world.queue.woken == ["a", "b"]


def test_without_the_database_nothing_is_woken_and_it_is_said_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    world.add(often=2)
    world.leases.away = True
    world.pass_seconds(5)
    assert world.queue.asked == 0
    assert messages(caplog) == ["scheduler_lost_database"]
    world.leases.away = False
    world.pass_seconds(1)
    assert world.queue.woken == ["often"]
    assert messages(caplog)[1:] == ["scheduler_found_database", "scheduler_leads"]


def test_who_led_when_the_database_went_away_tells_it_once_and_when_it_is_back(world: World) -> None:
    said: list[str] = []
    for name in ("first", "second"):
        world.schedulers.append(
            Scheduler(
                world.leases,
                world.queue,
                {},
                clock=lambda: world.leases.now,
                on_loss=lambda name=name: said.append(f"{name} lost it"),
                on_return=lambda name=name: said.append(f"{name} found it"),
                loss_seconds=30,
            )
        )
    world.pass_seconds(2)
    world.leases.away = True
    world.pass_seconds(30)
    assert said == []
    world.pass_seconds(30)
    assert said == ["first lost it"]
    world.leases.away = False
    world.pass_seconds(20)
    assert said == ["first lost it", "first found it"]


def test_it_looks_around_now_and_then_and_a_look_that_fails_stops_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    looks: list[float] = []

    def look() -> None:
        looks.append(world.leases.now)
        raise OSError("no")

    one = Scheduler(
        world.leases, world.queue, {"often": 2}, clock=lambda: world.leases.now, survey=look, survey_seconds=5
    )
    world.schedulers.append(one)
    world.pass_seconds(11)
    assert looks == [1, 6, 11]
    assert len(world.queue.woken) == 6
    assert messages(caplog).count("survey_failed") == 1


@pytest.mark.parametrize("away", [False, True])
def test_it_ends_at_once_and_gives_the_lease_up(world: World, monkeypatch: pytest.MonkeyPatch, away: bool) -> None:
    monkeypatch.setattr(scheduler, "TICK_SECONDS", 30.0)
    one = Scheduler(world.leases, world.queue, {"often": 2})
    thread = threading.Thread(target=one.run)
    thread.start()
    while not world.queue.woken:
        time.sleep(0.01)
    world.leases.away = away
    began = time.monotonic()
    one.stop()
    thread.join(5)
    assert time.monotonic() - began < 1
    assert (world.leases.owner is None) == (not away)


def test_the_one_that_acts_sweeps_at_each_tick_with_and_without_redis(world: World) -> None:
    swept: list[str] = []
    for name in ("first", "second"):
        world.schedulers.append(
            Scheduler(
                world.leases,
                world.queue,
                {"often": 2},
                sweep=lambda name=name: swept.append(name),
                clock=lambda: world.leases.now,
            )
        )
    world.queue.away = True
    world.pass_seconds(3)
    assert swept == ["first"] * 3


def test_a_sweep_that_fails_is_said_once_and_tried_again(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    outcomes = iter([OSError("away"), OSError("away"), None, None])
    swept = 0

    def sweep() -> None:
        nonlocal swept
        swept += 1
        if error := next(outcomes):
            raise error

    world.schedulers.append(
        Scheduler(world.leases, world.queue, {"often": 2}, sweep=sweep, clock=lambda: world.leases.now)
    )
    world.pass_seconds(4)
    assert swept == 4
    assert world.queue.woken == ["often", "often"]
    assert messages(caplog).count("sweep_failed") == 1


def test_nobody_is_woken_for_what_has_no_work(world: World) -> None:
    busy: set[str] = set()
    one = Scheduler(
        world.leases, world.queue, {"idle": 2, "busy": 2}, is_due=busy.__contains__, clock=lambda: world.leases.now
    )
    one.tick()
    assert world.queue.woken == []
    busy.add("busy")
    one.tick()
    assert world.queue.woken == []
    world.leases.now += 2
    one.tick()
    assert world.queue.woken == ["busy"]


def test_a_worker_finds_out_for_itself_where_the_scheduler_cannot(world: World) -> None:
    def is_due(kind: str) -> bool:
        raise OSError("the database is away")

    one = Scheduler(world.leases, world.queue, {"often": 2}, is_due=is_due, clock=lambda: world.leases.now)
    one.tick()
    assert world.queue.woken == ["often"]


def test_what_is_due_seldom_waits_until_the_start_is_over(world: World) -> None:
    intervals = {"often": 2, "seldom": 3600}
    one = Scheduler(world.leases, world.queue, intervals, calm_seconds=60, clock=lambda: world.leases.now)
    one.tick()
    assert world.queue.woken == ["often"]
    world.leases.now += 60
    one.tick()
    assert "seldom" in world.queue.woken
