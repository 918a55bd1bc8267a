"""What tests of limits need: limits, orders, and what many processes get of one."""

import itertools
import multiprocessing
import time
from collections.abc import Sequence

from tollhouse.domain.limits import Limit, LimitOrder, Refusal, Taken, Verdict
from tollhouse.domain.ports import Limiter
from tollhouse.domain.principal import Scope
from tollhouse.kv.limiter import RedisLimiter

_numbers = itertools.count()


def limit(
    rpm: int | None = None, tpm: int | None = None, concurrency: int | None = None, scope: Scope | None = None
) -> Limit:
    """By default of a scope that no other test has."""
    number = next(_numbers)
    return Limit(f"lim_{number}", scope or ("key", f"key_{time.time_ns()}_{number}"), rpm, tpm, concurrency)


def order(*limits: Limit, least: int = 0, most: int | None = None) -> LimitOrder:
    return LimitOrder(f"call_{time.time_ns()}_{next(_numbers)}", limits, least, least if most is None else most)


def take(limiter: Limiter, *limits: Limit, least: int = 0, most: int | None = None) -> Verdict:
    return limiter.take(order(*limits, least=least, most=most))


def taken(verdict: Verdict) -> Taken:
    assert isinstance(verdict, Taken), verdict
    return verdict


def refused(verdict: Verdict) -> Refusal:
    assert isinstance(verdict, Refusal), verdict
    return verdict


def race(url: str, limits: Sequence[Limit], *, processes: int, tries: int, window_ms: int, seconds: float) -> list[int]:
    """The ticks at which calls were let in, of so many processes that each try as fast as they can."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        started = time.time() + 2
        runs = [pool.apply_async(_run, (url, limits, tries, window_ms, started, seconds)) for _ in range(processes)]
        return sorted(tick for run in runs for tick in run.get(60))


def _run(url: str, limits: Sequence[Limit], tries: int, window_ms: int, start: float, seconds: float) -> list[int]:
    limiter = RedisLimiter(url, lambda: 1, window_ms=window_ms)
    time.sleep(max(0.0, start - time.time()))
    ticks = []
    for _ in range(tries):
        if time.time() > start + seconds:
            break
        verdict = take(limiter, *limits, least=1)
        assert limiter.shared
        if isinstance(verdict, Taken):
            assert verdict.tick is not None
            ticks.append(verdict.tick)
    limiter.stop()
    return ticks
