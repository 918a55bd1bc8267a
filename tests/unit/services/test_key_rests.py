"""Between several keys of a provider: whose turn it is, who rests, and until when."""

from collections import Counter
from typing import Any

import pytest

from tollhouse import logs
from tollhouse.domain.errors import KeysResting, UpstreamRejected
from tollhouse.domain.routes import Host, HostKey, Target
from tollhouse.services.calls.key_rests import REFUSED_SECONDS, SPENT_SECONDS, UNTOLD_SECONDS, KeyRests

KEYS = tuple(HostKey(f"pky_{name}", name, f"sk-{name}") for name in "abc")
HOST = Host("prv_1", "acme", "openai", "https://acme.example", "sk-a", keys=KEYS)
A, B, C = KEYS
EMPTY = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "8s"}


def target(model: str = "m", host: Host = HOST) -> Target:
    return Target(model, model, host, None, deployment=f"dep_{model}")


def rejected(status: int, retry_after: float | None = None, code: str = "") -> UpstreamRejected:
    body = b'{"error":{"message":"no","code":"%s"}}' % code.encode() if code else b""
    return UpstreamRejected("no", status=status, retry_after=retry_after, body=body)


class Rests(KeyRests):
    """With a clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(lambda: self.now)

    def names(self, calls: int, **of: Any) -> Counter[str]:
        return Counter(self.choose(target(**of)).name for _ in range(calls))  # type: ignore[union-attr]


@pytest.fixture
def rests() -> Rests:
    return Rests()


def test_a_provider_without_several_keys_has_nothing_to_choose(rests: Rests) -> None:
    assert rests.choose(target(host=Host("prv_2", "one", "openai", "https://x", "sk-x"))) is None


def test_keys_take_turns(rests: Rests) -> None:
    assert rests.names(30) == {"a": 10, "b": 10, "c": 10}


def test_a_key_that_is_told_that_it_is_too_fast_rests_until_its_host_says_for_that_model_alone(rests: Rests) -> None:
    assert rests.failed(target(), A, rejected(429, retry_after=20))
    assert rests.names(30) == {"b": 15, "c": 15}
    assert rests.names(30, model="another")["a"] == 10
    rests.now = 20.0
    assert rests.names(30)["a"] == 10


def test_without_a_word_it_rests_for_what_its_limits_say_and_else_for_a_moment(rests: Rests) -> None:
    rests.heard(target(), A, 429, EMPTY)
    rests.failed(target(), A, rejected(429))
    rests.failed(target(), B, rejected(429))
    rests.now = UNTOLD_SECONDS
    assert rests.names(10) == {"b": 5, "c": 5}
    rests.now = 8.0
    assert rests.names(30)["a"] == 10


def test_a_key_of_which_nothing_is_left_is_asked_last_before_anybody_refuses_it(rests: Rests) -> None:
    rests.heard(target(), A, 200, EMPTY)
    assert rests.names(10) == {"b": 5, "c": 5}
    for key in (B, C):
        rests.failed(target(), key, rejected(429, retry_after=30))
    # The host has the last word of its own limits.
    assert rests.names(4) == {"a": 4}


def test_an_answer_does_not_end_a_rest_at_a_limit_for_it_may_have_set_out_before(rests: Rests) -> None:
    rests.failed(target(), A, rejected(429, retry_after=20))
    rests.worked(target(), A)
    assert rests.names(10)["a"] == 0


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (rejected(401), REFUSED_SECONDS),
        (rejected(402), SPENT_SECONDS),
        (rejected(429, code="insufficient_quota"), SPENT_SECONDS),
    ],
    ids=["refused", "unpaid", "quota"],
)
def test_a_key_that_is_refused_or_spent_is_left_alone_for_all_models_and_then_tried_by_one_call(
    rests: Rests, error: UpstreamRejected, seconds: float
) -> None:
    assert rests.failed(target(), A, error)
    assert rests.names(10)["a"] == rests.names(10, model="another")["a"] == 0
    rests.now = seconds
    assert rests.names(30)["a"] == 1
    rests.worked(target(), A)
    assert rests.names(30)["a"] == 10


def test_a_key_that_may_not_use_one_model_may_use_others(rests: Rests) -> None:
    assert rests.failed(target(), A, rejected(403))
    assert rests.names(10)["a"] == 0
    assert rests.names(30, model="another")["a"] == 10


def test_what_is_no_matter_of_keys_rests_none(rests: Rests) -> None:
    for status in (400, 404, 408, 409, 500, 503, 529):
        assert not rests.failed(target(), A, rejected(status))
    assert rests.names(30)["a"] == 10


def test_when_all_rest_the_call_is_told_when_the_first_comes_back(rests: Rests) -> None:
    for key, seconds in ((A, 30), (B, 12), (C, 40)):
        assert rests.has_another(target())
        rests.failed(target(), key, rejected(429, retry_after=seconds))
    assert not rests.has_another(target())
    with pytest.raises(KeysResting) as raised:
        rests.choose(target())
    assert raised.value.retry_after == 12
    assert (raised.value.status, raised.value.billable) == (429, False)
    rests.now = 12.0
    assert rests.names(3) == {"b": 3}


def test_a_rest_is_told_and_counted_once(rests: Rests, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    monkeypatch.setattr(logs, "event", lambda name, **fields: told.append(fields["seconds"]))
    for _ in range(3):
        rests.heard(target(), A, 429, EMPTY)
        rests.failed(target(), A, rejected(429, retry_after=20))
    rests.heard(target(), B, 200, EMPTY)
    rests.heard(target(), B, 200, EMPTY)
    assert told == [20.0, 8.0]
