"""From a model's name to its targets, over a snapshot."""

import pytest

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import Forbidden, UnknownModel, Unsupported
from tollhouse.domain.principal import Principal
from tollhouse.domain.routes import Catalogue, Host, Target
from tollhouse.services.routing import candidates, visible_models

ANYONE = Principal("key_1", "tests")
CHAT = frozenset({"chat", "embeddings"})
EMBEDDINGS = frozenset({"embeddings"})


def target(name: str, formats: frozenset[str] = CHAT) -> Target:
    return Target(name, name, Host("prv_1", "host", "openai", "http://host"), None, formats=formats)


def catalogue(*names: str, **routes: tuple[Target, ...]) -> Catalogue:
    return Catalogue(1, {**{name: (target(name),) for name in names}, **routes}, {})


def call(model: str, format: str = "chat") -> Call:
    return Call("req_1", format, {}, Facts(model, 10))


def test_a_call_goes_to_the_targets_of_its_model_in_order() -> None:
    first, second = target("first"), target("second")
    assert candidates(catalogue(first=(first, second)), ANYONE, call("first")) == (first, second)


def test_an_unknown_model_is_answered_with_the_nearest_names() -> None:
    with pytest.raises(UnknownModel, match=r"'gpt-4o-mini' does not exist\. Did you mean 'gpt-4\.1-mini'") as raised:
        candidates(catalogue("gpt-4.1-mini", "llama", "claude"), ANYONE, call("gpt-4o-mini"))
    assert "llama" not in raised.value.message


def test_an_unknown_model_that_is_near_to_none_is_answered_with_where_to_look() -> None:
    with pytest.raises(UnknownModel, match="GET /v1/models lists"):
        candidates(catalogue("llama"), ANYONE, call("zzz"))


def test_the_nearest_names_are_only_those_that_the_key_may_use() -> None:
    principal = Principal("key_1", "tests", frozenset({"llama"}))
    with pytest.raises(UnknownModel) as raised:
        candidates(catalogue("gpt-secret", "llama"), principal, call("gpt-secre"))
    assert "gpt-secret'" not in raised.value.message


def test_a_key_with_models_may_use_them_and_no_other() -> None:
    principal = Principal("key_1", "tests", frozenset({"a"}))
    assert candidates(catalogue("a", "b"), principal, call("a"))
    with pytest.raises(Forbidden, match="may not use the model 'b'"):
        candidates(catalogue("a", "b"), principal, call("b"))


def test_a_key_sees_the_models_that_it_may_use_in_order() -> None:
    assert visible_models(catalogue("c", "a", "b"), ANYONE) == ["a", "b", "c"]
    assert visible_models(catalogue("c", "a", "b"), Principal("k", "n", frozenset({"c", "a", "gone"}))) == ["a", "c"]


def test_a_call_that_no_pair_carries_says_what_the_provider_speaks() -> None:
    with pytest.raises(Unsupported, match=r"cannot be called as chat: its provider speaks embeddings\."):
        candidates(catalogue(m=(target("m", EMBEDDINGS),)), ANYONE, call("m"))


def test_targets_that_cannot_be_called_so_are_left_out() -> None:
    able = target("able")
    route = catalogue(m=(target("unable", EMBEDDINGS), able))
    assert candidates(route, ANYONE, call("m")) == (able,)


def test_a_provider_of_an_unknown_preset_is_not_called() -> None:
    with pytest.raises(Unsupported, match="nothing that is known here"):
        candidates(catalogue(m=(target("m", frozenset()),)), ANYONE, call("m"))
