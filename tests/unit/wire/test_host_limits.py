"""What hosts' headers say of their rate limits, in all the ways in which they say it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tollhouse.wire.host_limits import LONGEST_WAIT, used_up_for, wished_pause


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("1s", 1),
        ("6m0s", 360),
        ("7.66s", 7.66),
        ("120ms", 0.12),
        ("2m59.56s", 179.56),
        ("1h0m0s", 3600),
        ("30", 30),
        ("0.5", 0.5),
    ],
)
def test_openais_reset_is_a_duration_as_go_writes_them(reset: str, seconds: float) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": reset}
    assert used_up_for(headers) == pytest.approx(seconds)


def test_anthropics_reset_is_a_moment() -> None:
    for moment in (soon(40).isoformat(), soon(40).strftime("%Y-%m-%dT%H:%M:%SZ")):
        headers = {"anthropic-ratelimit-input-tokens-remaining": "0", "anthropic-ratelimit-input-tokens-reset": moment}
        assert used_up_for(headers) == pytest.approx(40, abs=2)


def test_others_say_the_seconds_or_milliseconds_since_1970() -> None:
    for text in (str(int(soon(25).timestamp())), str(int(soon(25).timestamp() * 1000))):
        assert used_up_for({"x-ratelimit-remaining": "0", "x-ratelimit-reset": text}) == pytest.approx(25, abs=2)


def test_the_longest_of_what_is_used_up_counts_and_what_is_left_of_others_does_not() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "2s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "9s",
        "x-ratelimit-remaining": "5",
        "x-ratelimit-reset": "500",
    }
    assert used_up_for(headers) == 9
    assert used_up_for({**headers, "x-ratelimit-remaining-tokens": "1"}) == 2
    assert used_up_for({**headers, "x-ratelimit-remaining-tokens": "1", "x-ratelimit-remaining-requests": "1"}) is None


@pytest.mark.parametrize("reset", ["", "soon", "-3", "nan", "inf", "3x", "1e400", "0001-01-01T00:00:00Z"])
def test_a_reset_that_says_nothing_is_none_and_one_that_is_over_is_none_to_wait_for(reset: str) -> None:
    assert not used_up_for({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": reset})


def test_nobody_is_believed_who_asks_for_more_than_an_hour() -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "23h0m0s"}
    assert used_up_for(headers) == LONGEST_WAIT
    assert wished_pause({"retry-after": "86400"}) == LONGEST_WAIT


def test_retry_after_is_seconds_a_date_or_milliseconds_of_its_own() -> None:
    assert wished_pause({"retry-after": "7"}) == 7
    assert wished_pause({"retry-after": "0.25"}) == 0.25
    assert wished_pause({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert wished_pause({"retry-after": format_datetime(soon(30), usegmt=True)}) == pytest.approx(30, abs=2)
    assert wished_pause({"retry-after": format_datetime(soon(-30), usegmt=True)}) == 0


@pytest.mark.parametrize("text", ["", "soon", "-1", "nan", "inf", "Mon, 99 Foo 2026"])
def test_a_retry_after_that_cannot_be_read_says_nothing(text: str) -> None:
    assert wished_pause({"retry-after": text}) is None
    assert wished_pause({}) is None
