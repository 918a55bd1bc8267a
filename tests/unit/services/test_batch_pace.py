"""How fast batches go, and who gets the next free place."""

from collections import Counter

from tollhouse.services.batches.pace import FIRST_WINDOW, LONGEST_WAIT, Pace, Wish, shares


def test_a_batch_begins_slowly_and_doubles_until_it_has_all_there_is() -> None:
    pace = Pace(64)
    windows = [pace.room(0, 0.0)]
    for _ in range(4):
        for _ in range(windows[-1]):
            pace.went()
        windows.append(pace.room(0, 0.0))
    assert windows == [FIRST_WINDOW, 16, 32, 64, 64]
    assert pace.room(60, 0.0) == 4
    assert pace.room(99, 0.0) == 0


def test_told_that_it_is_too_much_it_waits_as_long_as_was_said_and_goes_on_with_half() -> None:
    pace = Pace(8)
    assert pace.slow_down(0.0, 10.0, 3.0) == 3.0
    assert pace.room(0, 12.9) == 0
    assert pace.room(0, 13.0) == 4
    pace.went()
    assert pace.room(0, 13.0) == 4  # it gropes from there: a place more for a whole window that went well
    for _ in range(5):
        pace.went()
    assert pace.room(0, 13.0) == 5


def test_of_calls_that_were_under_way_together_only_the_first_counts() -> None:
    pace = Pace(64)
    for _ in range(8):
        pace.slow_down(1.0, 2.0, None)
    assert pace.room(0, 100.0) == FIRST_WINDOW / 2


def test_where_nobody_says_how_long_it_waits_twice_as_long_each_time_up_to_a_minute() -> None:
    pace, now, waits = Pace(8), 0.0, []
    for _ in range(9):
        waits.append(pace.slow_down(now, now + 0.5, None))
        now = pace.resumes_at
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == LONGEST_WAIT
    pace.went()
    assert pace.slow_down(now, now + 0.5, None) == 1.0


def test_free_places_go_to_the_team_that_has_the_fewest_however_many_batches_another_has() -> None:
    wishes = [Wish("a1", "a", 99), Wish("a2", "a", 99), Wish("a3", "a", 99), Wish("b1", "b", 99)]
    assert shares(12, wishes, {}) == Counter(a1=2, a2=2, a3=2, b1=6)
    assert shares(6, wishes, {"a1": 5, "a2": 1}) == Counter(b1=6)


def test_what_one_batch_has_no_use_for_another_gets() -> None:
    assert shares(10, [Wish("a", "a", 2), Wish("b", "b", 99)], {}) == Counter(a=2, b=8)
    assert shares(10, [Wish("a", "a", 0)], {}) == Counter()
    assert shares(0, [Wish("a", "a", 9)], {}) == Counter()
