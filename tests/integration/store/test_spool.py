from datetime import UTC, datetime
from pathlib import Path

import pytest

from tollhouse.domain.ledger import Attempt, Entry, Settlement
from tollhouse.domain.money import Prices
from tollhouse.domain.usage import Usage
from tollhouse.store.ledger.spool import Spool

ATTEMPT = Attempt("req_1", 1, "key_1", "m", "p", "um", "chat", True, datetime(2026, 3, 29, 1, 30, tzinfo=UTC))
BOOKED = Settlement(
    "hold_1", Entry(ATTEMPT, 200, "ok", 2, Usage(1, 2, 3, 4, 5, True), Prices(1, 2, 3, 4), 99, 10, None), ("w1", "w2")
)
UNPRICED = Settlement("hold_2", Entry(ATTEMPT, 0, "x", 1, Usage(), None, None, 1, 2))
VOID = Settlement("hold_3")


def ended(spool: Spool) -> None:
    """As when its process dies: the kernel lets go of the lock."""
    spool.close()


def test_what_an_ended_process_kept_is_taken_over_as_it_was(tmp_path: Path) -> None:
    first = Spool(tmp_path / "spool", "a")
    first.keep([BOOKED, UNPRICED])
    first.keep([VOID])
    ended(first)
    second = Spool(tmp_path / "spool", "b")
    assert second.take_over() == [BOOKED, UNPRICED, VOID]
    assert second.take_over() == []


def test_what_was_taken_over_is_kept_until_it_is_written(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        spool = Spool(tmp_path, name)
        taken = spool.take_over()
        if name == "a":
            spool.keep([BOOKED])
        else:
            assert taken == [BOOKED]
        if name == "c":
            spool.clear()
        ended(spool)
    assert Spool(tmp_path, "d").take_over() == []
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_taken_from_a_process_that_lives(tmp_path: Path) -> None:
    living = Spool(tmp_path, "a")
    living.keep([BOOKED])
    assert Spool(tmp_path, "b").take_over() == []
    ended(living)


def test_a_line_that_its_process_died_over_does_not_count(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "a")
    spool.keep([BOOKED])
    ended(spool)
    file = tmp_path / "a.jsonl"
    file.write_bytes(file.read_bytes() + b'{"hold_id":"hold_2","entry":nu')
    assert Spool(tmp_path, "b").take_over() == [BOOKED]


def test_a_spool_that_cannot_be_read_is_put_aside_for_a_person(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "a")
    spool.keep([BOOKED])
    ended(spool)
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"rubbish\n" + file.read_bytes())
    assert Spool(tmp_path, "b").take_over() == [BOOKED]
    assert (tmp_path / "a.jsonl.unreadable").exists()


def test_a_spool_is_its_owners_alone_to_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", "a")
    spool.keep([BOOKED])
    assert (tmp_path / "spool" / "a.jsonl").stat().st_mode & 0o077 == 0
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
    ended(spool)


def test_what_finds_no_room_leaves_what_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, "a")
    spool.keep([BOOKED])

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            spool.keep([VOID])
    ended(spool)
    assert Spool(tmp_path, "b").take_over() == [BOOKED]


def test_what_was_taken_counts_though_the_next_cannot_be_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        spool = Spool(tmp_path, name)
        spool.keep([BOOKED if name == "a" else VOID])
        ended(spool)
    unlink = Path.unlink

    def refuses_b(path: Path, missing_ok: bool = False) -> None:
        if path.name == "b.jsonl":
            raise OSError(13, "Permission denied")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuses_b)
    assert Spool(tmp_path, "c").take_over() == [BOOKED, VOID]
