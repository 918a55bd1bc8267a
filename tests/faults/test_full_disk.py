"""Disks that fill up: the database's is a database that is away; logs are dropped; nothing needs a restart."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.audit import audit
from tests.faults.client import Pulse, await_tokens, ends
from tests.faults.conftest import MakeGateway
from tests.faults.figures import measured
from tests.faults.gateway import Gateway
from tests.running import wait_until


class SmallDisk:
    """A file system of a few megabytes, in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Take what is left, to the last block."""
        with self._filler.open("ab", buffering=0) as filler:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        filler.write(b"\0" * size)
                except OSError:
                    continue

    def make_room(self) -> None:
        self._filler.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "tollhouse-tests", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no program to mount a small disk with")
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
    yield SmallDisk(folder)
    # Lazily: it goes when the last process that uses it has ended.
    subprocess.run(["umount", "-l", str(folder)], check=True)  # noqa: S607 - wherever it is, it is there if mount is


def assert_refuses_and_recovers(gateway: Gateway, disk: SmallDisk) -> None:
    web = gateway.running("web")
    streams = gateway.client.streams(5, tokens=40, every=0.05)
    await_tokens(streams)
    disk.fill()

    with Pulse(gateway.client) as pulse:
        wait_until(lambda: gateway.client.call().status == 503, 10, "it does not notice")
        refused = gateway.client.calls(10)
        assert [answer for answer in refused if not answer.refused_well] == []
        status, document = gateway.readiness()
        assert (status, document["status"]) == (503, "down")
        assert min(gateway.metric("tollhouse_ledger_up").values()) == 0
        assert all(answer.whole for answer in ends(streams))
    assert {answer.status for answer in pulse.answers} == {200}
    assert pulse.usual_worst < 0.1

    disk.make_room()
    room_at = time.monotonic()
    wait_until(lambda: gateway.client.call().whole, 10, "it does not recover")
    measured(f"recovered in {time.monotonic() - room_at:.1f} s; healthz {pulse.usual_worst * 1000:.0f} ms")
    found = audit(gateway, within=10)
    assert all(found.booked[stream.answer.plan.number].outcome == "ok" for stream in streams)
    assert gateway.client.get("/readyz").status == 200
    assert web.child.poll() is None
    assert len(web.said("ledger_away")) == len(web.said("ledger_back")) == 1


def test_a_full_disk_of_the_database_is_a_database_that_is_away(disk: SmallDisk, make_gateway: MakeGateway) -> None:
    gateway = make_gateway(database_url=f"sqlite:///{disk.folder / 'gateway.db'}")
    gateway.start("scheduler")
    gateway.start("web")
    assert all(answer.whole for answer in gateway.client.calls(10))
    assert_refuses_and_recovers(gateway, disk)


@pytest.mark.faults
def test_a_full_disk_of_the_whole_home_needs_no_restart_either(
    disk: SmallDisk, make_gateway: MakeGateway, tmp_path: Path
) -> None:
    gateway = make_gateway(home=disk.folder / "home", logs=tmp_path / "logs")
    gateway.start("scheduler")
    gateway.start("web")
    assert all(answer.whole for answer in gateway.client.calls(10))
    assert_refuses_and_recovers(gateway, disk)
    # What could not wait on the disk waited in memory.
    assert gateway.metric("tollhouse_spool_failures_total")[""] > 0


@pytest.mark.faults
def test_a_full_disk_of_the_home_alone_stops_no_call(
    disk: SmallDisk, make_gateway: MakeGateway, tmp_path: Path
) -> None:
    gateway = make_gateway(
        home=disk.folder / "home", logs=tmp_path / "logs", database_url=f"sqlite:///{tmp_path / 'elsewhere.db'}"
    )
    gateway.start("web")
    disk.fill()
    answers = gateway.client.calls(10) + gateway.client.calls(10, stream=True)
    assert all(answer.whole for answer in answers)
    assert gateway.readiness()[0] == 200
    audit(gateway, within=10)


def test_a_full_disk_of_the_logs_costs_log_lines_and_nothing_else(
    disk: SmallDisk, make_gateway: MakeGateway, tmp_path: Path
) -> None:
    gateway = make_gateway(home=tmp_path / "home", logs=disk.folder / "logs")
    web = gateway.start("web")
    gateway.client.calls(5)
    disk.fill()
    before = web.log.stat().st_size
    answers = gateway.client.calls(30) + gateway.client.calls(10, stream=True)
    assert all(answer.whole for answer in answers)
    assert gateway.readiness()[0] == 200
    dropped = gateway.metric("tollhouse_log_lines_dropped_total")[""]
    assert dropped >= 30
    assert web.log.stat().st_size - before < 4096

    disk.make_room()
    said = len(web.said("call"))
    wait_until(lambda: gateway.client.call().whole and len(web.said("call")) > said, 5, "it logs no more")
    audit(gateway, within=10)
