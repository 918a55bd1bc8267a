"""Identifiers."""

import re
import time

import pytest

from tollhouse.domain.identifiers import new_id


def test_an_id_is_its_prefix_and_26_characters_that_nobody_misreads() -> None:
    assert re.fullmatch(r"key_[0-7][0-9a-hjkmnp-tv-z]{25}", new_id("key"))


def test_ids_sort_by_the_time_that_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [0, 1, 31, 32, 1023, 1024, 1_700_000_000_000, 1_700_000_000_001, 4_000_000_000_000, 2**48 - 1]
    made = []
    for moment in moments:
        monkeypatch.setattr(time, "time_ns", lambda moment=moment: moment * 1_000_000 + 999_999)
        made.append(new_id("x"))
    assert made == sorted(made)


def test_ids_of_one_millisecond_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000)
    assert len({new_id("x") for _ in range(20_000)}) == 20_000


def test_time_is_in_the_first_ten_characters_and_chance_in_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000)
    made = [new_id("x")[2:] for _ in range(500)]
    assert len({one[:10] for one in made}) == 1
    assert all(len({one[place] for one in made}) > 16 for place in range(10, 26))
