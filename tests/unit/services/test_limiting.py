"""What a call is limited by, what it is charged, and how it ends."""

from dataclasses import replace
from typing import Any

import pytest

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import DeploymentFull, RateLimited
from tollhouse.domain.limits import Limit
from tollhouse.domain.principal import ORGANISATION, Principal
from tollhouse.domain.routes import Catalogue, Host, Manners, Target
from tollhouse.domain.usage import Usage
from tollhouse.kv.local_limiter import LocalLimiter
from tollhouse.services.calls.admission import tokens_in
from tollhouse.services.calls.limiting import Limiting, limits_of, tokens_of
from tollhouse.services.calls.translation import Choice, word

FACTS = Facts("m", 1000, messages=2)
TARGET = Target(
    "m", "m", Host("prv_1", "host", "openai", "http://host"), None, max_output=500, formats=frozenset({"chat"})
)
KEY = Principal("key_1", "tests")


def choices(target: Target = TARGET, **facts: Any) -> tuple[Choice, ...]:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    return word(Call("req_1", "chat", body, replace(FACTS, **facts)), [target], lambda _: Manners())


def catalogue(*limits: Limit) -> Catalogue:
    return Catalogue(1, {}, {}, {limit.scope: limit for limit in limits})


OF_KEY, OF_MODEL, OF_ALL = (
    Limit("lim_key", ("key", "key_1"), 10, None, 1),
    Limit("lim_model", ("model", "m"), None, 2000, None),
    Limit("lim_all", ORGANISATION, 100, None, None),
)
OTHERS = (Limit("lim_1", ("key", "key_2"), 1, 1, 1), Limit("lim_2", ("model", "other"), 1, 1, 1))


def test_a_call_is_under_the_limits_of_its_caller_its_model_and_the_organisation() -> None:
    known = catalogue(OF_KEY, OF_MODEL, OF_ALL, *OTHERS)
    assert set(limits_of(known, KEY, "m")) == {OF_KEY, OF_MODEL, OF_ALL}
    assert limits_of(catalogue(*OTHERS), KEY, "m") == ()


def test_a_capped_call_is_charged_its_bound_and_nothing_less() -> None:
    assert tokens_of(choices(output_cap=50, choices=3)) == (tokens_in(FACTS) + 150,) * 2
    assert tokens_of(choices(output_cap=5000)) == (tokens_in(FACTS) + 500,) * 2
    assert tokens_of(choices(generates=False)) == (tokens_in(FACTS),) * 2
    assert tokens_of(choices(generates=False, free=True)) == (0, 0)
    assert tokens_of(choices(generates=False, unit="second")) == (0, 0)


def test_a_call_without_a_cap_needs_room_for_its_input_and_is_charged_what_is_usual() -> None:
    assert tokens_of(choices()) == (tokens_in(FACTS) + 1, tokens_in(FACTS) + 500)


def test_a_call_with_an_image_is_charged_the_context_window_as_far_as_there_is_room() -> None:
    seeing = replace(TARGET, context_window=100_000)
    assert tokens_of(choices(seeing, media=1, output_cap=50)) == (1, 100_050)
    assert tokens_of(choices(seeing, media=1, generates=False)) == (1, 100_000)


def test_an_allowance_ends_once_however_often_it_is_told() -> None:
    limiting, known = Limiting(LocalLimiter()), catalogue(OF_KEY)
    call = choices(output_cap=5)[0][1].call
    for _ in range(3):
        allowance = limiting.take(KEY, call, choices(output_cap=5), known)
        with pytest.raises(RateLimited, match="1 open calls at once") as refused:
            limiting.take(KEY, call, choices(output_cap=5), known)
        assert (refused.value.status, refused.value.kind, refused.value.retry_after) == (429, "concurrency", 1.0)
        for _ in range(2):
            allowance.settle(Usage(input=1))
            allowance.give_back()
    last = limiting.take(KEY, call, choices(output_cap=5), known).standing
    assert last is not None
    assert last.requests is not None
    assert last.requests.remaining == 10 - 4


def test_without_a_limit_that_applies_nobody_is_asked() -> None:
    limiting = Limiting(None)  # type: ignore[arg-type]
    allowance = limiting.take(KEY, choices()[0][1].call, choices(), catalogue(*OTHERS))
    allowance.settle(Usage(input=1))
    allowance.give_back()
    assert allowance.standing is None


def test_a_call_that_is_too_large_is_told_so_and_not_to_come_back() -> None:
    limiting, call = Limiting(LocalLimiter()), choices(output_cap=500)[0][1].call
    with pytest.raises(RateLimited, match="2000 tokens a minute, and this call alone may take") as refused:
        limiting.take(KEY, call, choices(output_cap=500, choices=9), catalogue(OF_MODEL))
    assert (refused.value.retry_after, refused.value.may_retry, refused.value.kind) == (None, False, "tokens")


BATCH = replace(KEY, priority="batch")


def test_calls_of_batch_priority_leave_a_quarter_to_who_waits() -> None:
    limiting, known = Limiting(LocalLimiter()), catalogue(replace(OF_KEY, rpm=8, concurrency=None))
    asked = choices(output_cap=5)
    call = asked[0][1].call
    for _ in range(6):
        limiting.take(BATCH, call, asked, known)
    with pytest.raises(RateLimited, match="6 requests a minute of calls of batch priority") as refused:
        limiting.take(BATCH, call, asked, known)
    assert refused.value.retry_after is not None
    for _ in range(2):
        limiting.take(KEY, call, asked, known)
    with pytest.raises(RateLimited, match="8 requests a minute, and they"):
        limiting.take(KEY, call, asked, known)


def test_of_a_deployments_own_limit_they_leave_a_quarter_as_well() -> None:
    limiting, own = Limiting(LocalLimiter()), Limit("lim_own", ("deployment", "dep_1"), None, None, 8)
    (choice,) = choices(replace(TARGET, limit=own), output_cap=5)
    taken = [limiting.take_share(choice, "batch") for _ in range(6)]
    with pytest.raises(DeploymentFull):
        limiting.take_share(choice, "batch")
    taken += [limiting.take_share(choice, "interactive") for _ in range(2)]
    with pytest.raises(DeploymentFull):
        limiting.take_share(choice, "interactive")
    for one in taken[:3]:
        assert one is not None
        one.give_back()
    assert limiting.take_share(choice, "batch") is not None


def test_a_call_of_batch_priority_that_is_larger_than_its_share_has_the_whole_limit() -> None:
    limiting, asked = Limiting(LocalLimiter()), choices(output_cap=500, choices=2)
    least, _ = tokens_of(asked)
    known = catalogue(replace(OF_MODEL, tpm=least + 10), replace(OF_KEY, rpm=1))
    limiting.take(BATCH, asked[0][1].call, asked, known)
