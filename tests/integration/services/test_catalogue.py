"""The catalogue in memory follows the database."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import SQLAlchemyError

from tests.integration.services.conftest import SECRET, VAULT, Hosts, away
from tollhouse.domain.money import MILLION, Prices, Tariff
from tollhouse.domain.usage import Usage
from tollhouse.providers.addresses import check_base_url
from tollhouse.providers.price_list import PublishedPrices
from tollhouse.services.models.catalogue import CatalogueReader
from tollhouse.services.models.models import Models, NewModel
from tollhouse.services.models.providers import Providers
from tollhouse.store.database import Database
from tollhouse.store.vault import FernetVault


@pytest.fixture
def reader(database: Database) -> CatalogueReader:
    return CatalogueReader(database, VAULT, Hosts(), PublishedPrices(), "test")


def seen_within(seconds: float, condition: Callable[[], Any]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


def test_a_route_is_the_model_and_then_its_fallbacks(reader: CatalogueReader, models: Models, host: str) -> None:
    models.add(NewModel("b", host))
    models.add(NewModel("c", host, "upstream-c"))
    models.add(NewModel("a", host, fallbacks=["c", "b"], context_window=9000, max_output=70))
    reader.refresh()
    assert [target.upstream_model for target in reader.current.routes["a"].targets] == ["a", "upstream-c", "b"]
    first = reader.current.routes["a"].targets[0]
    assert (first.host.name, first.host.credential) == (host, "sk-upstream")
    assert (first.context_window, first.max_output, first.default_output_cap) == (9000, 70, 70)
    assert abs(reader.current.created["a"] - time.time()) < 60


def test_prices_of_the_model_go_before_published_ones(
    reader: CatalogueReader, models: Models, providers: Providers
) -> None:
    providers.add("vendor", "openai", "https://api.openai.com/v1")
    models.add(NewModel("gpt-4o", "vendor", input_price=0, output_price=5 * MILLION))
    reader.refresh()
    assert reader.current.routes["gpt-4o"].targets[0].tariff == Tariff(Prices(0, 0, 0, 5 * MILLION))


def test_published_prices_are_found_by_what_the_model_is_called_upstream(
    reader: CatalogueReader, models: Models, providers: Providers
) -> None:
    providers.add("vendor", "openai", "https://api.openai.com/v1")
    models.add(NewModel("ours", "vendor", "gpt-4o"))
    models.add(NewModel("narrow", "vendor", "gpt-4o", context_window=500))
    reader.refresh()
    published = PublishedPrices().find("openai", "gpt-4o")
    assert published is not None
    target = reader.current.routes["ours"].targets[0]
    assert target.tariff == published.tariff
    assert target.tariff.base.cost(Usage(input=MILLION)) > 0
    assert target.context_window == published.context_window
    assert reader.current.routes["narrow"].targets[0].context_window == 500


def test_a_model_that_no_price_list_knows_has_no_price(reader: CatalogueReader, models: Models, host: str) -> None:
    models.add(NewModel("home-made", host))
    reader.refresh()
    assert reader.current.routes["home-made"].targets[0].tariff is None


def test_a_catalogue_that_did_not_change_is_not_read_again(reader: CatalogueReader, models: Models, host: str) -> None:
    models.add(NewModel("a", host))
    heard: list[int] = []
    reader.on_change(lambda: heard.append(reader.current.version))
    reader.refresh()
    snapshot = reader.current
    reader.refresh()
    assert reader.current is snapshot
    # Whoever listens hears of it before the new version is there to be seen.
    assert set(heard) == {-1}


def test_a_change_by_another_process_is_seen_within_a_second(
    start_process: Callable[..., Any], models: Models, host: str
) -> None:
    other = start_process()
    snapshot = other.catalogue.current
    models.add(NewModel("new", host))
    assert seen_within(1, lambda: "new" in other.catalogue.current.routes)
    assert "new" not in snapshot.routes


def test_who_hears_of_a_version_hurries_the_catalogue(
    start_process: Callable[..., Any], models: Models, host: str
) -> None:
    other = start_process()
    time.sleep(0.02)  # its first poll is over, and the next is half a second away
    models.add(NewModel("new", host))
    other.catalogue.hurry(other.catalogue.current.version + 1)
    assert seen_within(0.25, lambda: "new" in other.catalogue.current.routes)


def test_the_snapshot_is_kept_while_the_database_is_away_and_followed_when_it_is_back(
    start_process: Callable[..., Any], models: Models, host: str, database: Database
) -> None:
    models.add(NewModel("old", host))
    other = start_process()
    with away(database):
        with pytest.raises(SQLAlchemyError):
            other.catalogue.refresh()
        other.catalogue.hurry(-2)
        time.sleep(0.05)
        assert set(other.catalogue.current.routes) == {"old"}
    models.add(NewModel("new", host))
    assert seen_within(1, lambda: set(other.catalogue.current.routes) == {"old", "new"})


def test_a_provider_sealed_under_another_key_is_left_out_and_the_rest_work(
    reader: CatalogueReader, database: Database, models: Models, host: str
) -> None:
    stranger = Providers(database, FernetVault(SECRET[::-1]), Hosts(), check_base_url)
    stranger.add("sealed", "openai", "https://sealed.example", credential="sk-other")
    models.add(NewModel("lost", "sealed"))
    models.add(NewModel("good", host, fallbacks=["lost"]))
    reader.refresh()
    assert list(reader.current.routes) == ["good"]
    assert [target.model for target in reader.current.routes["good"].targets] == ["good"]


def test_a_provider_of_a_preset_that_is_not_known_speaks_nothing(
    reader: CatalogueReader, models: Models, providers: Providers
) -> None:
    providers.register(
        "later", "preset-of-a-later-version", "https://later.example", credential=None, allow_private=False
    )
    models.add(NewModel("a", "later"))
    reader.refresh()
    assert reader.current.routes["a"].targets[0].formats == frozenset()
