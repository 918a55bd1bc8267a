from datetime import UTC, datetime

import pytest

from tollhouse.domain.ledger import Attempt, Entry
from tollhouse.domain.usage import Usage
from tollhouse.store.ledger import open_calls
from tollhouse.store.ledger.open_calls import MOST_CHECKPOINTS, OpenCalls

ATTEMPT = Attempt("req_1", 1, "key_1", "m", "p", "m", "chat", True, datetime.now(UTC))


class Stream:
    """A call that has so many tokens by now, or was not sent yet."""

    def __init__(self, tokens: int | None) -> None:
        self.tokens = tokens

    def known(self) -> Entry | None:
        if self.tokens is None:
            return None
        return Entry(ATTEMPT, 200, "process_died", 1, Usage(output=self.tokens), None, None, 1, None)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> OpenCalls:
    monkeypatch.setattr(open_calls, "CHECKPOINT_SECONDS", 0.0)
    return OpenCalls()


def said(calls: OpenCalls) -> dict[str, int]:
    return {hold: entry.usage.output for known in calls.news() for hold, entry in known.items()}


def test_what_is_new_is_said_once(calls: OpenCalls) -> None:
    stream = Stream(3)
    calls.follow("a", stream.known)
    calls.follow("not sent", Stream(None).known)
    assert said(calls) == {"a": 3}
    assert said(calls) == {}
    stream.tokens = 5
    assert said(calls) == {"a": 5}


def test_all_of_many_streams_are_said_in_transactions_of_bounded_size(calls: OpenCalls) -> None:
    for n in range(3 * MOST_CHECKPOINTS):
        calls.follow(str(n), Stream(n).known)
    sizes = [len(known) for known in calls.news()]
    assert sum(sizes) == 3 * MOST_CHECKPOINTS
    assert max(sizes) == MOST_CHECKPOINTS


def test_what_did_not_arrive_is_said_again(calls: OpenCalls) -> None:
    calls.follow("a", Stream(3).known)
    assert said(calls) == {"a": 3}
    calls.say_again()
    assert said(calls) == {"a": 3}


def test_a_call_that_is_settled_is_forgotten(calls: OpenCalls) -> None:
    calls.follow("a", Stream(3).known)
    calls.forget("a")
    calls.forget("a")
    assert said(calls) == {}


def test_a_call_that_has_just_begun_is_not_worth_a_checkpoint() -> None:
    calls = OpenCalls()
    calls.follow("a", Stream(3).known)
    assert said(calls) == {}
