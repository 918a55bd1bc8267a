import pytest

from tollhouse.domain.limits import Level, Standing
from tollhouse.wire.rate_limit_headers import rate_limit_headers

STANDING = Standing(Level(60, 12, 59_950), Level(40_000, 0, 7_660))


def test_openai_is_told_in_durations() -> None:
    assert rate_limit_headers(STANDING, "openai") == [
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "12"),
        ("x-ratelimit-reset-requests", "59.95s"),
        ("x-ratelimit-limit-tokens", "40000"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "7.66s"),
    ]


def test_anthropic_is_told_in_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_795_270_422_100_000_000)
    assert rate_limit_headers(STANDING, "anthropic") == [
        ("anthropic-ratelimit-requests-limit", "60"),
        ("anthropic-ratelimit-requests-remaining", "12"),
        ("anthropic-ratelimit-requests-reset", "2026-11-21T14:14:43Z"),
        ("anthropic-ratelimit-tokens-limit", "40000"),
        ("anthropic-ratelimit-tokens-remaining", "0"),
        ("anthropic-ratelimit-tokens-reset", "2026-11-21T14:13:50Z"),
    ]


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(0, "0s"), (17, "17ms"), (1000, "1s"), (59_999, "59.999s"), (60_000, "1m0s")]
)
def test_a_duration_reads_as_openai_writes_it(milliseconds: int, text: str) -> None:
    headers = dict(rate_limit_headers(Standing(Level(1, 0, milliseconds)), "openai"))
    assert headers["x-ratelimit-reset-requests"] == text


def test_what_is_not_limited_is_not_told() -> None:
    assert rate_limit_headers(Standing(), "openai") == []
