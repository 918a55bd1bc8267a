"""How a call is worded for hosts that take the same format otherwise."""

from typing import Any

import pytest

from tollhouse.domain.call import Call
from tollhouse.domain.errors import Unsupported
from tollhouse.domain.routes import Host, Manners, Target
from tollhouse.services.calls.translation import Wording, word
from tollhouse.wire import FORMATS

HOST = Host("prv_1", "acme", "openai", "https://acme.example")
MARKED = [{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}]


def call_of(format: str, *, strict: bool = False, **fields: Any) -> Call:
    smallest = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    body = {**smallest, **({"max_tokens": 64} if format == "messages" else {}), **fields}
    return Call("req_1", format, body, FORMATS[format].read(body, 1), strict=strict)


def target(spoken: str, model: str, **fields: Any) -> Target:
    return Target("m", model, HOST, None, formats=frozenset({spoken}), **fields)


def worded(call: Call, *targets: Target, **manners: Any) -> list[Wording]:
    return [wording for _, wording in word(call, targets, lambda host: Manners(**manners))]


def test_each_model_of_a_route_is_asked_in_its_own_familys_words() -> None:
    call = call_of("chat", reasoning_effort="high", temperature=0.3)
    older, newer, unthinking = worded(
        call,
        target("messages", "claude-sonnet-4-5", default_output_cap=4096, max_output=8192),
        target("messages", "claude-opus-4-7"),
        target("messages", "claude-3-5-haiku"),
    )
    assert older.call.body["thinking"] == {"type": "enabled", "budget_tokens": 3276}
    assert newer.call.body["thinking"] == {"type": "adaptive"}
    assert newer.call.body["output_config"] == {"effort": "high"}
    assert older.dropped == newer.dropped == ("temperature",)
    assert "thinking" not in unthinking.call.body
    assert (unthinking.call.body["temperature"], unthinking.dropped) == (0.3, ("reasoning_effort",))


def test_models_of_one_family_share_a_wording() -> None:
    one, other = worded(call_of("chat"), target("messages", "claude-opus-4-7"), target("messages", "claude-opus-4-8"))
    assert one is other


def test_who_asks_for_nothing_to_be_lost_is_refused_by_the_model_that_would_lose_it() -> None:
    call = call_of("chat", strict=True, reasoning_effort="high", temperature=0.3)
    with pytest.raises(Unsupported) as refused:
        worded(call, target("messages", "claude-opus-4-7"))
    assert refused.value.param == "temperature"
    (able,) = worded(call_of("chat", strict=True, temperature=0.3), target("messages", "claude-opus-4-6"))
    assert able.call.body["temperature"] == 0.3


def test_what_a_host_refuses_is_not_put_into_its_body() -> None:
    call = call_of("messages", messages=MARKED, metadata={"user_id": "u"})
    (kept,) = worded(call, target("chat", "x"))
    assert (kept.call.body["user"], kept.dropped) == ("u", ())
    assert kept.call.body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}
    (less,) = worded(call, target("chat", "x"), refuses=frozenset({"cache_control", "user"}))
    assert "user" not in less.call.body
    assert less.call.body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    assert set(less.dropped) == {"metadata", "cache_control"}


@pytest.mark.parametrize(("model", "marked"), [("gpt-5.6", True), ("gpt-4.1", False)])
def test_openais_newer_models_get_marks_as_breakpoints(model: str, marked: bool) -> None:
    call = call_of("messages", messages=MARKED)
    (wording,) = worded(call, target("chat", model), refuses=frozenset({"cache_control"}), breakpoints=True)
    part = wording.call.body["messages"][0]["content"][0]
    assert part.get("prompt_cache_breakpoint") == ({"mode": "explicit"} if marked else None)
    assert wording.dropped == (() if marked else ("cache_control",))


def test_a_native_calls_own_fields_are_not_touched() -> None:
    call = call_of("chat", messages=MARKED, user="u", reasoning_effort="high", temperature=0.3)
    (wording,) = worded(call, target("chat", "x"), refuses=frozenset({"cache_control", "user", "reasoning_effort"}))
    assert wording.call is call
    call = call_of("messages", thinking={"type": "adaptive"}, temperature=0.3, top_k=3)
    (wording,) = worded(call, target("messages", "claude-opus-4-7"))
    assert wording.call is call
