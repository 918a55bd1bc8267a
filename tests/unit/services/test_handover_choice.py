"""Which batches go to their provider's own batch interface, and to which of their model's hosts."""

import json
from dataclasses import replace

import pytest

from tollhouse.domain.errors import NoProviderBatch, UnknownModel
from tollhouse.domain.money import Prices, Tariff
from tollhouse.domain.principal import Principal
from tollhouse.domain.routes import Catalogue, Host, Manners, Route, Stage, Target
from tollhouse.services.batches.handover.choice import HandoverChoice
from tollhouse.services.batches.handover.terms import Terms

CALLER = Principal("key_1", "tests")
CHAT = "/v1/chat/completions"


class Hosts:
    """Those whose preset says so have batches."""

    def batch_interface(self, host: Host) -> str | None:
        return host.preset if host.preset in ("openai", "anthropic") else None

    def manners(self, host: Host) -> Manners:
        return Manners()


def target(name: str, price: int = 10**9, preset: str = "openai", discount: int = 50) -> Target:
    format = "messages" if preset == "anthropic" else "chat"
    host = Host(f"prv_{name}", name, preset, "https://host.example")
    tariff = Tariff(Prices(price, price, price, price))
    return Target("m", "theirs", host, tariff, formats=frozenset({format}), batch_discount=discount)


def chosen(
    *stages: Stage, asked: str | None = "auto", window: str = "24h", endpoint: str = CHAT, refuse: bool = False
) -> str:
    catalogue = Catalogue(1, {"m": Route.of("m", stages)}, {})
    choice = HandoverChoice(Hosts(), "never", refuse_unpriced=refuse)  # type: ignore[arg-type]
    return choice.target(catalogue, CALLER, "m", endpoint=endpoint, window=window, asked=asked).host.name


def test_the_cheapest_of_those_that_have_batches_is_chosen() -> None:
    dear, cheap = target("dear", 4 * 10**9), target("cheap", 2 * 10**9)
    dearer_but_half = target("halved", 3 * 10**9, discount=90)
    assert chosen(Stage((dear, cheap))) == "cheap"
    assert chosen(Stage((dear, cheap, dearer_but_half))) == "halved"
    assert chosen(Stage((target("free", 1, preset="vllm"), dear))) == "dear"


def test_what_is_there_for_when_all_fails_is_another_model() -> None:
    with pytest.raises(NoProviderBatch, match="vllm has no batch interface"):
        chosen(Stage((target("vllm", preset="vllm"),)), Stage((target("other"),), names=("other",)))


@pytest.mark.parametrize(
    ("one", "asked", "options", "why"),
    [
        (target("a", discount=0), "auto", {}, "no price for batches"),
        (target("a"), "auto", {"window": "12h"}, "completion_window"),
        (target("a"), "auto", {"endpoint": "/v1/messages"}, "takes no /v1/messages"),
        (target("a", preset="anthropic"), "always", {}, "takes no /v1/chat/completions"),
        (replace(target("a"), tariff=None), "always", {"refuse": True}, "has no price"),
    ],
)
def test_it_says_why_not(one: Target, asked: str, options: dict[str, object], why: str) -> None:
    with pytest.raises(NoProviderBatch, match=why) as raised:
        chosen(Stage((one,)), asked=asked, **options)  # type: ignore[arg-type]
    assert raised.value.param == "provider_batch"


def test_always_needs_neither_a_discount_nor_a_day() -> None:
    assert chosen(Stage((target("a", discount=0),)), asked="always", window="1h") == "a"


def test_what_is_asked_for_goes_before_the_setting() -> None:
    choice = HandoverChoice(Hosts(), "auto", refuse_unpriced=False)  # type: ignore[arg-type]
    assert [choice.mode(asked) for asked in (None, "never", "always")] == ["auto", "never", "always"]
    with pytest.raises(UnknownModel):
        choice.target(Catalogue(1, {}, {}), CALLER, "m", endpoint=CHAT, window="24h", asked="auto")


def test_terms_are_the_same_when_they_were_kept() -> None:
    steps = ((200_000, Prices(2, 2, 2, 2)), (500_000, Prices(3, 3, 3, 3, 7)))
    for one in (
        target("a"),
        replace(target("a"), tariff=None),
        replace(target("a"), tariff=Tariff(Prices(1, 1, 1, 1), steps)),
    ):
        terms = Terms.of(one, "m")
        written = json.loads(json.dumps(terms.written()))
        assert Terms.read(written) == terms
        assert Terms.read(written).target(one.host, "chat") == one
