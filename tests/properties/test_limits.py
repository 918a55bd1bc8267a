"""The limiter in memory against a model of it that keeps every call."""

from hypothesis import given
from hypothesis import strategies as st

from tests.limits import limit, order
from tollhouse.domain.limits import TICK_MS, Refusal, Taken
from tollhouse.kv.local_limiter import LocalLimiter

WINDOW = 1000
RPM, TPM = 5, 100
STEPS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 50), st.none() | st.integers(0, 80), st.booleans()),
    min_size=1,
    max_size=60,
)


@given(STEPS)
def test_no_window_has_more_than_the_limit_and_who_waits_as_told_is_let_in(
    steps: list[tuple[int, int, int | None, bool]],
) -> None:
    """Each step: wait, then call for so many tokens; maybe it ends at once and used fewer; maybe, when it is refused,
    it waits as it is told.
    """
    now = 0
    allowed = limit(rpm=RPM, tpm=TPM)
    # Half a millisecond on: a thousandth as a float may be a little less than it.
    limiter = LocalLimiter(clock=lambda: (now + 0.5) / 1000, window_ms=WINDOW)
    calls: list[tuple[int, int]] = []
    for wait, tokens, used, patient in steps:
        now += wait
        verdict = limiter.take(order(allowed, least=tokens))
        if isinstance(verdict, Refusal):
            inside = [many for at, many in calls if at > now - WINDOW - TICK_MS]
            assert len(inside) == RPM or sum(inside) + tokens > TPM
            assert verdict.retry_ms is not None
            assert 1 <= verdict.retry_ms <= WINDOW
            if not patient:
                continue
            now += verdict.retry_ms + TICK_MS
            verdict = limiter.take(order(allowed, least=tokens))
        assert isinstance(verdict, Taken)
        if used is not None:
            limiter.settle(verdict, min(used, tokens))
        calls.append((now, tokens if used is None else min(used, tokens)))
        inside = [many for at, many in calls if at >= now - WINDOW]
        assert len(inside) <= RPM
        assert sum(inside) <= TPM
