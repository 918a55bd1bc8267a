"""What is kept of an issuer: fetched seldom, by one at a time, and good for a while without it."""

import threading
from collections.abc import Callable

import pytest

from tollhouse.domain.errors import IssuerUnavailable
from tollhouse.oidc.kept import FRESH_SECONDS, PAUSE_SECONDS, STALE_SECONDS, Kept


class Source:
    def __init__(self) -> None:
        self.now = 1000.0
        self.fetched = 0
        self.away = False
        self.kept: Kept[list[int]] = Kept(self.fetch, clock=lambda: self.now)

    def fetch(self) -> list[int]:
        self.fetched += 1
        if self.away:
            raise IssuerUnavailable("away")
        return [self.fetched]


@pytest.fixture
def source() -> Source:
    return Source()


def test_it_is_fetched_once_while_it_is_fresh(source: Source) -> None:
    assert source.kept.get() is source.kept.get()
    source.now += FRESH_SECONDS - 1
    assert source.kept.get() == [1]
    source.now += 1
    assert source.kept.get() == [2]


def test_what_is_not_in_it_has_it_fetched_anew_but_not_again_at_once(source: Source) -> None:
    first = source.kept.get()
    source.now += PAUSE_SECONDS
    second = source.kept.newer_than(first)
    assert second == [2]
    for _ in range(100):
        assert source.kept.newer_than(second) is second
    assert source.kept.newer_than(first) is second, "what another has fetched meanwhile is newer"
    assert source.fetched == 2


def test_just_fetched_it_is_not_fetched_again_for_what_is_not_in_it(source: Source) -> None:
    first = source.kept.get()
    assert source.kept.newer_than(first) is first
    assert source.fetched == 1


def test_of_many_who_ask_at_once_one_fetches(source: Source) -> None:
    inside, go_on = threading.Event(), threading.Event()
    honest: Callable[[], list[int]] = source.fetch

    def slowly() -> list[int]:
        inside.set()
        go_on.wait(5)
        return honest()

    source.kept._fetch = slowly
    threads = [threading.Thread(target=source.kept.get) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert inside.wait(5)
    go_on.set()
    for thread in threads:
        thread.join()
    assert source.fetched == 1


def test_while_one_fetches_what_is_old_the_others_go_on_with_it(source: Source) -> None:
    old = source.kept.get()
    source.now += FRESH_SECONDS
    with source.kept._lock:
        assert source.kept.get() is old


def test_without_the_issuer_what_is_kept_is_good_for_a_day(source: Source) -> None:
    kept = source.kept.get()
    source.away = True
    source.now += FRESH_SECONDS
    assert source.kept.get() is kept
    assert source.kept.get() is kept
    assert source.fetched == 2, "it is not asked again at once"
    source.now += STALE_SECONDS
    for _ in range(2):
        with pytest.raises(IssuerUnavailable):
            source.kept.get()
    assert source.fetched == 3
    source.away = False
    source.now += PAUSE_SECONDS
    assert source.kept.get() == [4]
