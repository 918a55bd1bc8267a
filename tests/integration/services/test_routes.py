"""Routes and deployments: said, kept, and what the catalogue makes of them."""

from dataclasses import replace
from typing import Any

import pytest

from tests.integration.services.conftest import VAULT, Hosts
from tollhouse.domain.actor import SHELL
from tollhouse.domain.errors import Conflict, InvalidField, NotFound
from tollhouse.domain.limits import Limit
from tollhouse.domain.routes import Route
from tollhouse.providers.price_list import PublishedPrices
from tollhouse.services.audit import Audit
from tollhouse.services.models.catalogue import CatalogueReader
from tollhouse.services.models.deployment_terms import Terms
from tollhouse.services.models.deployments import Deployments, NewDeployment
from tollhouse.services.models.models import Models, NewModel
from tollhouse.services.models.providers import Providers
from tollhouse.services.models.routes import Routes, RouteTerms
from tollhouse.store.database import Database


@pytest.fixture
def routes(database: Database) -> Routes:
    return Routes(database)


@pytest.fixture
def deployments(database: Database) -> Deployments:
    return Deployments(database)


@pytest.fixture
def reader(database: Database) -> CatalogueReader:
    return CatalogueReader(database, VAULT, Hosts(), PublishedPrices(), "test")


@pytest.fixture
def model(models: Models, host: str, providers: Providers) -> str:
    """A model, a second provider, `other`, and a model `spare`."""
    providers.add("other", "openai", "https://other.example/v1")
    models.add(NewModel("m", host, "m-1", context_window=9000, max_output=70))
    models.add(NewModel("spare", "other"))
    return "m"


def route(reader: CatalogueReader, name: str = "m") -> Route:
    reader.refresh()
    found = reader.current.route(name)
    assert found is not None
    return found


def test_a_model_of_which_nothing_is_said_has_a_route_of_one_target(
    reader: CatalogueReader, routes: Routes, model: str
) -> None:
    assert routes.of(model) == RouteTerms()
    assert route(reader).lone is route(reader).targets[0]


def test_deployments_are_chosen_between_by_priority_and_then_by_strategy(
    reader: CatalogueReader, routes: Routes, deployments: Deployments, model: str
) -> None:
    routes.set(model, RouteTerms("weighted", "session", terms=Terms(weight=3, priority=1)))
    first = deployments.add(model, NewDeployment("other", "m-2", terms=Terms(lacks=("tools",), rpm=7)))
    last = deployments.add(model, NewDeployment("other", max_output=50, terms=Terms(weight=2, priority=1)))
    found = route(reader)
    assert (found.sticky, found.lone) == ("session", None)
    assert [one.deployment for one in found.stages[0].targets] == [first.id]
    before, behind = found.stages
    assert (before.strategy, behind.strategy) == ("weighted", "weighted")
    only = before.targets[0]
    assert (only.upstream_model, only.host.name, only.lacks) == ("m-2", "other", {"tools"})
    assert only.limit == Limit(first.id, ("deployment", first.id), 7, None, None)
    assert [(one.upstream_model, one.weight, one.max_output) for one in behind.targets] == [
        ("m-1", 3, 70),
        ("m-1", 2, 50),
    ]
    assert behind.targets[1].deployment == last.id
    assert behind.targets[1].context_window == 9000


def test_fallbacks_fall_back_in_their_turn_and_each_model_is_there_once(
    reader: CatalogueReader, models: Models, routes: Routes, model: str
) -> None:
    models.add(NewModel("last", "other"))
    models.change("spare", {"fallbacks": ["last"]})
    models.change(model, {"fallbacks": ["spare", "last"]})
    assert [one.model for one in route(reader).targets] == ["m", "spare", "last"]


def test_a_loop_of_fallbacks_is_refused_and_shown(models: Models, model: str) -> None:
    models.change("spare", {"fallbacks": [model]})
    models.add(NewModel("third", "other", fallbacks=["spare"]))
    with pytest.raises(InvalidField, match="m -> third -> spare -> m") as raised:
        models.change(model, {"fallbacks": ["third"]})
    assert raised.value.param == "fallbacks"
    assert [one.fallbacks for one in models.all() if one.name == model] == [()]


def test_an_alias_is_the_model_by_another_name(reader: CatalogueReader, routes: Routes, model: str) -> None:
    routes.set(model, RouteTerms(aliases=("old-name", "older")))
    assert route(reader, "old-name") is route(reader, model)
    assert reader.current.created["older"] == reader.current.created[model]


def test_a_name_is_a_models_or_an_alias_of_one(models: Models, routes: Routes, model: str) -> None:
    routes.set(model, RouteTerms(aliases=("taken",)))
    routes.set(model, RouteTerms(aliases=("taken", "more")))
    for name in ("taken", model):
        with pytest.raises(Conflict):
            routes.set("spare", RouteTerms(aliases=(name,)))
    with pytest.raises(Conflict, match="alias"):
        models.add(NewModel("taken", "other"))


def test_a_name_that_ends_in_a_star_stands_for_all_that_begin_so(
    reader: CatalogueReader, models: Models, model: str, providers: Providers
) -> None:
    providers.add("vendor", "openai", "https://api.openai.com/v1")
    models.add(NewModel("vendor/*", "vendor"))
    models.add(NewModel("vendor/fast-*", "other", "speedy-*-2026"))
    found = route(reader, "vendor/gpt-4o")
    published = PublishedPrices().find("openai", "gpt-4o")
    assert published is not None
    assert (found.name, found.targets[0].model, found.targets[0].upstream_model) == (
        "vendor/*",
        "vendor/gpt-4o",
        "gpt-4o",
    )
    assert found.targets[0].tariff == published.tariff
    assert route(reader, "vendor/fast-a").targets[0].upstream_model == "speedy-a-2026"
    assert reader.current.route("vendor/") is None
    assert reader.current.route("vendor/*") is None
    assert "vendor/*" not in reader.current.routes


def test_a_star_remembers_no_more_names_than_it_may(reader: CatalogueReader, models: Models, model: str) -> None:
    models.add(NewModel("any/*", "other"))
    for number in range(2500):
        assert route(reader, f"any/{number}").targets[0].upstream_model == str(number)
    (star,) = reader.current.wildcards
    assert len(star._known) <= 1000  # type: ignore[attr-defined]


def test_what_is_too_long_or_refused_has_models_of_its_own(reader: CatalogueReader, routes: Routes, model: str) -> None:
    routes.set(model, RouteTerms(context_fallbacks=("spare",), refusal_fallbacks=("spare",)))
    found = route(reader)
    assert [one.model for one in found.targets] == [model]
    assert [stage.targets[0].model for stage in (*found.for_longer, *found.for_refused)] == ["spare", "spare"]


def test_each_stage_of_another_model_says_by_which_names_a_key_may_get_there(
    reader: CatalogueReader, models: Models, routes: Routes, model: str, host: str
) -> None:
    models.add(NewModel("star/*", "other"))
    models.add(NewModel("leads/*", host, fallbacks=("star/*", "spare")))
    routes.set("spare", RouteTerms(aliases=("extra",)))
    routes.set(model, RouteTerms(context_fallbacks=("spare",), refusal_fallbacks=("star/*",)))
    leading = route(reader, "leads/x")
    assert [stage.names for stage in leading.stages] == [None, ("star/*", "star/x"), ("spare", "spare", "extra")]
    found = route(reader)
    assert [stage.names for stage in found.stages] == [None]
    assert [stage.names for stage in found.for_longer] == [("spare", "spare", "extra")]
    assert [stage.names for stage in found.for_refused] == [("star/*", "star/*")]


def test_every_refusal_names_its_field_and_changes_nothing(
    routes: Routes, deployments: Deployments, model: str
) -> None:
    refused: list[tuple[RouteTerms, str]] = [
        (RouteTerms("fastest"), "strategy"),
        (RouteTerms(sticky="cookie"), "sticky"),
        (RouteTerms(idle_seconds=0.01), "idle_seconds"),
        (RouteTerms(total_seconds=float("inf")), "total_seconds"),
        (RouteTerms(aliases=("a b",)), "aliases"),
        (RouteTerms(aliases=tuple(f"a{number}" for number in range(101))), "aliases"),
        (RouteTerms(context_fallbacks=("gone",)), "context_fallbacks"),
        (RouteTerms(refusal_fallbacks=(model,)), "refusal_fallbacks"),
        *[
            (RouteTerms(terms=replace(Terms(), **{field: value})), field)
            for field, value in (
                ("weight", -1),
                ("priority", 1001),
                ("lacks", ("taste",)),
                ("rpm", 0),
                ("tpm", -5),
                ("concurrency", 10**13),
            )
        ],
    ]
    for terms, param in refused:
        with pytest.raises(InvalidField) as raised:
            routes.set(model, terms)
        assert raised.value.param == param, terms
    assert routes.all() == {}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"input_price": 5}, "output_price"),
        ({"context_window": 0}, "context_window"),
        ({"upstream_model": "a\x00b"}, "upstream_model"),
        ({"terms": Terms(weight=-1)}, "weight"),
    ]
    for changes, param in wrong:
        with pytest.raises(InvalidField) as raised:
            deployments.add(model, replace(NewDeployment("other"), **changes))
        assert raised.value.param == param, changes
    for missing in (("nope", "other"), (model, "nobody")):
        with pytest.raises(NotFound):
            deployments.add(missing[0], NewDeployment(missing[1]))
    assert deployments.all() == []


def test_a_deployment_is_removed_by_its_id_and_with_its_model(
    routes: Routes, deployments: Deployments, models: Models, providers: Providers, model: str
) -> None:
    first, second = deployments.add(model, NewDeployment("other")), deployments.add(model, NewDeployment("other"))
    with pytest.raises(NotFound, match="no deployment"):
        deployments.remove(first.id, model="spare")
    deployments.remove(first.id, model=model)
    assert deployments.all(model) == [second]
    routes.set(model, RouteTerms("weighted"))
    models.remove(model)
    assert (deployments.all(), routes.all()) == ([], {})


def test_a_provider_that_a_deployment_is_at_is_not_removed(
    deployments: Deployments, providers: Providers, models: Models, model: str, host: str
) -> None:
    deployments.add("spare", NewDeployment(host))
    models.remove(model)
    with pytest.raises(Conflict, match="'spare'"):
        providers.remove(host)


def test_a_model_that_others_turn_to_for_what_is_too_long_is_not_removed(
    routes: Routes, models: Models, model: str
) -> None:
    routes.set(model, RouteTerms(context_fallbacks=("spare",)))
    with pytest.raises(Conflict, match="'m' falls back on 'spare'"):
        models.remove("spare")


def test_deployments_that_stay_the_same_keep_their_ids(deployments: Deployments, model: str) -> None:
    kept, gone = deployments.add(model, NewDeployment("other")), deployments.add(model, NewDeployment("other", "x"))
    deployments.set_all(model, [NewDeployment("other", "new"), NewDeployment("other"), NewDeployment("other")])
    now = deployments.all(model)
    assert len(now) == 3
    assert kept in now
    assert gone not in now
    deployments.set_all(model, [NewDeployment("other", "new"), NewDeployment("other"), NewDeployment("other")])
    assert deployments.all(model) == now


def test_each_change_of_a_route_and_its_deployments_is_told(
    database: Database, routes: Routes, deployments: Deployments, model: str
) -> None:
    routes.set(model, RouteTerms(strategy="weighted"), by=SHELL)
    routes.set(model, RouteTerms(strategy="weighted"), by=SHELL)
    made = deployments.add(model, NewDeployment("other", input_price=5, output_price=7), by=SHELL)
    deployments.remove(made.id, by=SHELL)
    entries = [one for one in Audit(database).page(9, by=SHELL).items if one.actor_kind == "shell"]
    removed, added, changed = entries
    assert (changed.action, changed.before, changed.after) == (
        "routes.change",
        {"strategy": "ordered"},
        {"strategy": "weighted"},
    )
    assert (added.action, removed.action, added.subject_id) == ("deployments.create", "deployments.remove", made.id)
    assert added.after is not None
    assert added.after == removed.before
    assert added.after["prices"] == ["0.000000005", "0.000000007"]
