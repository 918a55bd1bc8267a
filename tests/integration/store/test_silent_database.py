"""A database that neither answers nor fails: what is not written yet is on the disk soon, whoever calls."""

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.ledgers import booked, make_key, open_holds, order, settlement, writer_of
from tests.running import wait_until
from tollhouse.store.database import Database
from tollhouse.store.ledger import writer as module
from tollhouse.store.ledger.group import commit_group


def test_what_is_settled_before_the_silence_is_noticed_is_on_the_disk_though_nobody_calls_any_more(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = writer_of(database, tmp_path / "spool", wait_seconds=1.0)
    writer.start()
    key = make_key(database)
    in_hand, behind = order(key, 300), order(key, 300)
    writer.hold(in_hand)
    writer.hold(behind)
    hangs, goes_on = threading.Event(), threading.Event()

    def silent(*arguments: Any, **options: Any) -> Any:
        hangs.set()
        assert goes_on.wait(60)
        return commit_group(*arguments, **options)

    monkeypatch.setattr(module, "commit_group", silent)
    writer.settle(settlement(in_hand, 120))
    assert hangs.wait(30)
    writer.settle(settlement(behind, 130))

    def kept() -> str:
        return "".join(file.read_text() for file in (tmp_path / "spool").glob("*"))

    wait_until(lambda: in_hand.id in kept() and behind.id in kept(), 30)
    assert not writer.available
    goes_on.set()
    assert writer.stop(30)
    assert sorted(row.cost or 0 for row in booked(database)) == [120, 130]
    assert open_holds(database) == []
    assert kept() == ""
