"""Models: added, registered, listed."""

from dataclasses import replace
from typing import Any

import pytest

from tollhouse.domain.errors import Conflict, InvalidField, NotFound
from tollhouse.services.models.models import Models, NewModel
from tollhouse.store.changes import current_version
from tollhouse.store.database import Database


def test_a_model_is_called_upstream_by_its_own_name_unless_told_otherwise(models: Models, host: str) -> None:
    assert models.add(NewModel("plain", host)).upstream_model == "plain"
    assert models.add(NewModel("alias", host, "vendor/plain-2026")).upstream_model == "vendor/plain-2026"


def test_models_are_listed_by_name_as_they_were_added(models: Models, host: str) -> None:
    new = NewModel("b", host, "up", 150, 600, 8000, 400)
    added = models.add(new)
    models.add(NewModel("a", host, fallbacks=["b"]))
    first, second = models.all()
    assert (first.name, first.fallbacks, first.input_price) == ("a", ("b",), None)
    assert second == added
    assert (second.provider, second.input_price, second.output_price) == (host, 150, 600)
    assert (second.context_window, second.max_output) == (8000, 400)


def test_a_name_is_taken_once(models: Models, host: str) -> None:
    models.add(NewModel("a", host))
    with pytest.raises(Conflict, match="'a' already"):
        models.add(NewModel("a", host, "other"))
    assert [model.upstream_model for model in models.all()] == ["a"]


def test_a_name_with_space_around_it_is_the_name_without(models: Models, host: str) -> None:
    added = models.add(NewModel(" a ", host))
    assert (added.name, added.upstream_model) == ("a", "a")
    with pytest.raises(Conflict):
        models.add(NewModel("a\t", host))


def test_a_model_of_an_unknown_provider_is_not_added(models: Models) -> None:
    with pytest.raises(NotFound, match="no provider 'nobody'"):
        models.add(NewModel("a", "nobody"))
    assert models.all() == []


def test_a_price_of_zero_is_a_price(models: Models, host: str) -> None:
    added = models.add(NewModel("a", host, input_price=0, output_price=0))
    assert (added.input_price, added.output_price) == (0, 0)


def test_prices_come_in_pairs_fallbacks_exist_and_every_refusal_names_its_field(models: Models, host: str) -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"name": "a b"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"upstream_model": "x" * 201}, "upstream_model"),
        ({"upstream_model": "a\x00b"}, "upstream_model"),
        ({"context_window": 0}, "context_window"),
        ({"context_window": 2**31}, "context_window"),
        ({"max_output": -1}, "max_output"),
        ({"fallbacks": ["gone"]}, "fallbacks"),
        ({"fallbacks": ["a"]}, "fallbacks"),
        ({"input_price": 5}, "output_price"),
        ({"output_price": 5}, "input_price"),
    ]
    for changes, param in refused:
        with pytest.raises(InvalidField) as raised:
            models.add(replace(NewModel("a", host), **changes))
        assert raised.value.param == param, changes
    assert models.all() == []


def test_models_registered_again_are_left_as_they_are(models: Models, host: str, database: Database) -> None:
    models.add(NewModel("a", host, "mine"))
    models.register([NewModel("a", host), NewModel("b", host)])
    with database.read() as session:
        before = current_version(session)
    models.register([NewModel("a", host), NewModel("b", host)])
    assert [(model.name, model.upstream_model) for model in models.all()] == [("a", "mine"), ("b", "b")]
    with database.read() as session:
        assert current_version(session) == before


def test_a_model_that_a_host_lists_twice_is_registered_once(models: Models, host: str) -> None:
    models.register([NewModel("a", host), NewModel("a", host)])
    assert [model.name for model in models.all()] == ["a"]
