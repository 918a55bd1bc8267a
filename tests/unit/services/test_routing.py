"""From a model's name to its targets, over a snapshot."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import Forbidden, UnknownModel, Unsupported
from tollhouse.domain.money import Prices, Tariff
from tollhouse.domain.principal import Principal
from tollhouse.domain.routes import Catalogue, Host, Route, Stage, Target
from tollhouse.services.routing.explanation import explain
from tollhouse.services.routing.routing import SESSION_HEADER, route_of, visible_models
from tollhouse.services.routing.routing import candidates as ordered
from tollhouse.services.routing.vitals import Watch

ANYONE = Principal("key_1", "tests")
CHAT = frozenset({"chat", "embeddings"})
EMBEDDINGS = frozenset({"embeddings"})


def target(name: str, formats: frozenset[str] = CHAT) -> Target:
    return Target(name, name, Host("prv_1", "host", "openai", "http://host"), None, formats=formats)


def catalogue(*names: str, **routes: tuple[Target, ...]) -> Catalogue:
    targets = {**{name: (target(name),) for name in names}, **routes}
    return Catalogue(1, {name: Route.of(name, (Stage(listed),)) for name, listed in targets.items()}, {})


def candidates(known: Catalogue, principal: Principal, asked: Call) -> tuple[Target, ...]:
    return ordered(route_of(known, principal, asked.facts.model), principal, asked, Watch())


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


def deployment(host: str, **fields: Any) -> Target:
    given = {"formats": CHAT, "deployment": host, **fields}
    return Target("m", "m", Host(host, host, "openai", "http://host"), None, **given)


def tried(route: Route, asked: Call | None = None, watch: Watch | None = None, by: Principal = ANYONE) -> list[str]:
    return [one.deployment for one in ordered(route, by, asked or call("m"), watch or Watch())]


def first_choices(route: Route, times: int = 3000) -> Counter[str]:
    return Counter(tried(route)[0] for _ in range(times))


def test_each_is_the_first_as_often_as_its_weight_says_and_all_are_tried() -> None:
    route = Route.of("m", (Stage((deployment("a", weight=3), deployment("b"), deployment("c", weight=0)), "weighted"),))
    counted = first_choices(route)
    assert 0.70 < counted["a"] / 3000 < 0.80
    assert counted["c"] == 0
    assert sorted(tried(route)) == ["a", "b", "c"]


def test_the_least_busy_for_its_weight_goes_first() -> None:
    watch = Watch()
    watch.of("a").open, watch.of("b").open = 5, 3
    even = Route.of("m", (Stage((deployment("a"), deployment("b")), "least_busy"),))
    assert tried(even, watch=watch) == ["b", "a"]
    heavier = Route.of("m", (Stage((deployment("a", weight=4), deployment("b")), "least_busy"),))
    assert tried(heavier, watch=watch) == ["a", "b"]


def test_of_those_that_are_as_busy_as_each_other_each_has_its_turn() -> None:
    route = Route.of("m", (Stage((deployment("a"), deployment("b")), "least_busy"),))
    assert set(first_choices(route, 100)) == {"a", "b"}


def test_the_fastest_goes_first_one_that_was_never_measured_before_it_and_a_slow_one_is_tried_again() -> None:
    now = [0.0]
    watch = Watch(lambda: now[0])
    route = Route.of("m", (Stage((deployment("a"), deployment("b")), "lowest_latency"),))
    watch.began("a", 2.0, streamed=False)
    assert tried(route, watch=watch) == ["b", "a"]
    watch.began("b", 0.5, streamed=False)
    assert tried(route, watch=watch) == ["b", "a"]
    now[0] = 180.0
    watch.began("b", 0.5, streamed=False)
    assert tried(route, watch=watch) == ["a", "b"]


def test_latencies_of_streams_and_of_whole_replies_are_not_compared() -> None:
    watch = Watch(lambda: 0.0)
    route = Route.of("m", (Stage((deployment("a"), deployment("b")), "lowest_latency"),))
    watch.began("a", 9.0, streamed=False)
    watch.began("b", 0.4, streamed=True)
    watch.began("a", 0.2, streamed=True)
    streamed = replace(call("m"), facts=replace(call("m").facts, stream=True))
    assert tried(route, streamed, watch) == ["a", "b"]


def test_a_latency_is_a_mean_that_follows_what_is_measured() -> None:
    watch = Watch(lambda: 0.0)
    for seconds in (1.0, *[3.0] * 20):
        watch.began("a", seconds, streamed=False)
    assert 2.9 < watch.latency("a", streamed=False) < 3.0


def test_the_cheapest_goes_first_and_one_without_a_price_last() -> None:
    prices = {"a": 3000, "b": 1000}
    targets = [
        replace(deployment(name), tariff=Tariff(Prices(price, price, price, price))) for name, price in prices.items()
    ]
    route = Route.of("m", (Stage((deployment("unknown"), *targets), "cheapest"),))
    assert tried(route) == ["b", "a", "unknown"]


def test_the_next_priority_is_tried_when_all_of_the_first_have_been() -> None:
    stages = (Stage((deployment("a"), deployment("b")), "weighted"), Stage((deployment("later"),)))
    assert all(tried(Route.of("m", stages))[2] == "later" for _ in range(20))


@pytest.mark.parametrize(
    ("sticky", "asked"),
    [
        ("session", replace(call("m"), headers={SESSION_HEADER: "s-1"})),
        ("user", replace(call("m"), body={"user": "u-1"})),
        ("user", replace(call("m"), body={"metadata": {"user_id": "u-1"}})),
        ("user", replace(call("m"), headers={SESSION_HEADER: "s-1"})),
        ("key", call("m")),
    ],
)
def test_sticky_calls_stay_at_one_deployment(sticky: Any, asked: Call) -> None:
    stage = Stage(tuple(deployment(name) for name in "abcdef"), "weighted")
    assert len({tuple(tried(Route.of("m", (stage,), sticky), asked)) for _ in range(30)}) == 1


def test_sticky_callers_are_spread_by_weight_and_few_move_when_a_deployment_goes() -> None:
    stage = Stage((deployment("a", weight=2), deployment("b"), deployment("c")))
    sessions = [replace(call("m"), headers={SESSION_HEADER: f"s-{number}"}) for number in range(600)]
    before = [tried(Route.of("m", (stage,), "session"), one)[0] for one in sessions]
    assert 240 < before.count("a") < 360
    fewer = Route.of("m", (Stage(stage.targets[:2]),), "session")
    after = [tried(fewer, one)[0] for one in sessions]
    assert all(now == then for now, then in zip(after, before, strict=True) if then != "c")


def test_without_anything_to_stick_to_the_strategy_decides() -> None:
    stage = Stage((deployment("a"), deployment("b")), "weighted")
    assert set(first_choices(Route.of("m", (stage,), "session"), 100)) == {"a", "b"}


@pytest.mark.parametrize(
    ("lacking", "facts", "body"),
    [
        ("images", {"media": 1, "images": 1}, {}),
        ("tools", {"tools": 2}, {}),
        ("schema", {}, {"response_format": {"type": "json_schema", "json_schema": {}}}),
        ("schema", {}, {"text": {"format": {"type": "json_schema"}}}),
        ("schema", {}, {"output_config": {"format": {"type": "json_schema"}}}),
        ("audio", {"media": 1}, {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}),
    ],
)
def test_a_call_goes_only_where_the_catalogue_says_that_it_can(lacking: Any, facts: Any, body: Any) -> None:
    route = Route.of("m", (Stage((deployment("less", lacks=frozenset({lacking})), deployment("able"))),))
    asked = Call("req_1", "chat", body, Facts("m", 10, **facts))
    assert tried(route, asked) == ["able"]
    assert tried(route) == ["less", "able"]


def test_a_prompt_that_is_longer_than_a_window_by_any_count_does_not_go_there() -> None:
    route = Route.of("m", (Stage((deployment("short", context_window=1000), deployment("long"))),))
    assert tried(route, Call("req_1", "chat", {}, Facts("m", 9000))) == ["long"]
    assert tried(route, Call("req_1", "chat", {}, Facts("m", 7900))) == ["short", "long"]
    image = Facts("m", 900_000, media=1, images=1, image_size=895_000)
    assert tried(route, Call("req_1", "chat", {}, image)) == ["short", "long"]


def test_a_call_that_no_target_can_take_is_told_what_each_lacks() -> None:
    lacking = [deployment("a", lacks=frozenset({"tools"})), deployment("b", formats=EMBEDDINGS)]
    with pytest.raises(Unsupported, match=r"a cannot call tools; b speaks embeddings\."):
        tried(Route.of("m", (Stage(tuple(lacking)),)), Call("req_1", "chat", {}, Facts("m", 100, tools=1)))


def test_what_is_too_long_for_all_goes_to_the_models_for_that_or_is_left_to_the_providers_to_refuse() -> None:
    short = (Stage((deployment("a", context_window=5), deployment("b", context_window=6))),)
    asked = Call("req_1", "chat", {}, Facts("m", 100))
    assert tried(Route.of("m", short), asked) == ["a", "b"]
    longer = (Stage((deployment("long", context_window=900),)),)
    assert tried(Route.of("m", short, for_longer=longer), asked) == ["long"]
    assert tried(Route.of("m", short[:1], for_longer=longer)) == ["a", "b"]
    alone = Route.of("m", (Stage(short[0].targets[:1]),), for_longer=longer)
    assert tried(alone, asked) == ["long"]


def test_an_alias_and_a_star_are_allowed_by_the_names_that_a_key_lists() -> None:
    star = Route.of("openai/*", (Stage((target("x"),)),))

    class Star:
        name = "openai/*"

        def route(self, asked: str) -> Route | None:
            return star if asked.startswith("openai/") else None

    named = Route.of("m", (Stage((target("m"),)),))
    known = Catalogue(1, {"m": named, "alias": named}, {}, {}, (Star(),))
    of_model, of_alias, of_star = (Principal("k", "n", frozenset({one})) for one in ("m", "alias", "openai/*"))
    assert route_of(known, of_model, "alias") is route_of(known, of_alias, "alias") is named
    assert route_of(known, of_star, "openai/gpt-9") is star
    assert visible_models(known, of_model) == ["alias", "m"]
    assert visible_models(known, Principal("k", "n", frozenset({"openai/gpt-9", "gone"}))) == ["openai/gpt-9"]
    for principal, name in ((of_alias, "m"), (of_model, "openai/gpt-9"), (of_star, "m")):
        with pytest.raises(Forbidden):
            route_of(known, principal, name)
    with pytest.raises(UnknownModel):
        route_of(known, of_star, "other/gpt-9")


def test_a_key_is_sent_on_to_those_other_models_alone_that_it_may_use_by_any_of_their_names() -> None:
    def behind(*names: str) -> Stage:
        return Stage((target(names[0]),), names=names)

    own = Stage((target("m"),))
    route = Route.of("m", (own, behind("b", "bee"), behind("c")), for_longer=(behind("long"),))

    def reached(*models: str) -> list[str]:
        principal = Principal("k", "n", frozenset(models)) if models else ANYONE
        return [one.model for one in ordered(route, principal, call("m"), Watch())]

    assert reached() == ["m", "b", "c"]
    assert reached("m") == ["m"]
    assert reached("m", "c") == ["m", "c"]
    assert reached("m", "bee") == ["m", "b"]
    too_long = replace(call("m"), facts=Facts("m", 10**9))
    short = Route.of("m", (Stage((replace(target("m"), context_window=5),)),), for_longer=(behind("long"),))
    for models, gone_to in ((None, "long"), (frozenset({"m"}), "m")):
        (only,) = ordered(short, Principal("k", "n", models), too_long, Watch())
        assert only.model == gone_to


def test_each_place_is_explained_and_so_is_what_is_left_out() -> None:
    stages = (
        Stage(
            (deployment("a", weight=3), deployment("b"), deployment("blind", lacks=frozenset({"images"}))), "weighted"
        ),
        Stage((replace(deployment("spare"), model="other"),)),
    )
    asked = Call("req_1", "chat", {}, Facts("m", 10, media=1, images=1))
    told = explain(Route.of("m", stages), ANYONE, asked, Watch())
    why = {one.target.deployment: (one.place, one.why) for one in told}
    assert why["a"][1] == "by chance, the first in 75% of calls"
    assert why["spare"] == (3, "when those fail: a fallback, the only one")
    assert why["blind"] == (None, "it cannot see images")
    assert {why["a"][0], why["b"][0]} == {1, 2}
