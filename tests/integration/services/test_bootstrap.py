"""What start-up makes sure of, on an empty home and on one that is in use."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway import settings_for
from tests.integration.services.conftest import SECRET, Hosts
from tollhouse.domain.errors import InvalidField, UpstreamRefused
from tollhouse.providers.price_list import PublishedPrices
from tollhouse.services.bootstrap import LOCAL_MODEL
from tollhouse.store.database import Database
from tollhouse.wiring import Services, build, prepare

NOWHERE = "http://127.0.0.1:1/v1"


@pytest.fixture
def start(tmp_path: Path, database_url: str) -> Iterator[Callable[..., Services]]:
    """Services as `up` has them, with settings that differ from the defaults so."""
    started: list[Services] = []

    def services(**changes: Any) -> Services:
        given = {"database_url": database_url, "secret_key": SECRET, **changes}
        started.append(build(settings_for(tmp_path, **given), "cli"))
        return started[-1]

    yield services
    for one in started:
        one.close()


def test_an_empty_home_gets_all_that_a_first_call_needs(tmp_path: Path) -> None:
    prepared = prepare(settings_for(tmp_path / "home"))
    assert prepared.admin_email == "admin@localhost"
    assert prepared.admin_password
    assert prepared.first_key
    assert (prepared.model, prepared.notices) == ("echo", [])
    services = build(settings_for(tmp_path / "home"), "cli")
    assert services.authentication.principal(prepared.first_key).name == "first key"
    assert [model.name for model in services.models.all()] == ["echo"]
    assert services.schema.current() == services.schema.newest()
    services.close()


def test_a_second_start_keeps_everything_and_shows_no_secret(
    start: Callable[..., Services], database: Database
) -> None:
    services = start(openai_api_key="sk-vendor", openai_base_url=NOWHERE)
    first = services.bootstrap.prepare("http://127.0.0.1:1", "local-key")

    def everything() -> list[object]:
        return [services.keys.all(), services.providers.all(), services.models.all(), services.users.first_admin()]

    before = everything()
    second = start(openai_api_key="sk-vendor", openai_base_url=NOWHERE).bootstrap.prepare(
        "http://127.0.0.1:1", "local-key"
    )
    assert everything() == before
    assert (first.first_key is None, first.admin_password is None) == (False, False)
    assert (second.first_key, second.admin_password) == (None, None)
    assert second.admin_email == first.admin_email


def test_no_first_key_is_made_where_there_was_one_and_it_was_revoked(start: Callable[..., Services]) -> None:
    services = start()
    services.bootstrap.prepare()
    services.keys.revoke(services.keys.all()[0].id)
    assert services.bootstrap.prepare().first_key is None
    assert len(services.keys.all()) == 1


def test_the_administrator_shown_is_the_one_that_exists(start: Callable[..., Services]) -> None:
    start(admin_email="first@example.com", admin_password="long enough to pass").bootstrap.prepare()
    prepared = start(admin_email="second@example.com").bootstrap.prepare()
    assert (prepared.admin_email, prepared.admin_password) == ("first@example.com", None)


def test_a_vendors_key_registers_it_and_its_published_models_without_a_network(
    start: Callable[..., Services],
) -> None:
    services = start(openai_api_key="sk-vendor-secret", openai_base_url=NOWHERE)
    prepared = services.bootstrap.prepare()
    (notice,) = prepared.notices
    assert "published models are here" in notice
    assert "sk-vendor-secret" not in notice
    openai = next(provider for provider in services.providers.all() if provider.name == "openai")
    assert (openai.base_url, openai.has_credential, openai.allow_private) == (NOWHERE, True, True)
    registered = {model.name for model in services.models.all() if model.provider == "openai"}
    assert registered == set(PublishedPrices().models("openai"))
    assert "gpt-4o" in registered
    (target,) = services.serve().catalogue.current.routes["gpt-4o"].targets
    assert target.host.credential == "sk-vendor-secret"
    # Wherever it is, it was set as OpenAI's: their prices hold.
    assert target.tariff is not None


def test_models_that_a_vendor_lists_are_taken_as_far_as_their_names_can_be(
    start: Callable[..., Services], monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = Hosts()
    hosts.listing = ("gpt-new", "gpt-new", "", "a b", "nul\x00", "x" * 201, "ft:gpt-4o:team::id")
    monkeypatch.setattr(Services, "_upstreams", hosts)
    services = start(openai_api_key="sk-vendor", openai_base_url=NOWHERE)
    assert services.bootstrap.prepare().notices == []
    assert {model.name for model in services.models.all()} == {"echo", "gpt-new", "ft:gpt-4o:team::id"}


def test_a_vendor_at_its_own_address_may_not_lead_into_the_network(
    start: Callable[..., Services], monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = Hosts()
    hosts.error = UpstreamRefused("Not asked.")
    monkeypatch.setattr(Services, "_upstreams", hosts)
    services = start(openai_api_key="sk-vendor", anthropic_api_key="sk-other")
    assert len(services.bootstrap.prepare().notices) == 2
    shown = {provider.name: provider.allow_private for provider in services.providers.all()}
    assert shown == {"echo": True, "openai": False, "anthropic": False}


def test_a_vendors_new_key_replaces_the_one_before(start: Callable[..., Services]) -> None:
    start(openai_api_key="sk-old", openai_base_url=NOWHERE).bootstrap.prepare()
    services = start(openai_api_key="sk-new", openai_base_url=NOWHERE)
    services.bootstrap.prepare()
    assert services.serve().catalogue.current.routes["gpt-4o"].targets[0].host.credential == "sk-new"


def test_the_local_model_is_the_one_to_try_where_it_is_served(start: Callable[..., Services]) -> None:
    services = start()
    assert services.bootstrap.prepare("http://127.0.0.1:4321", "local-key").model == LOCAL_MODEL
    # Another start, another port.
    services.bootstrap.prepare("http://127.0.0.1:9876", "other-key")
    (target,) = services.serve().catalogue.current.routes[LOCAL_MODEL].targets
    assert (target.host.base_url, target.host.credential) == ("http://127.0.0.1:9876", "other-key")
    assert target.tariff is not None
    assert target.tariff.most(1000, 1000) == 0


def test_a_password_that_is_too_short_stops_the_start_with_what_to_do(start: Callable[..., Services]) -> None:
    with pytest.raises(InvalidField, match="TOLLHOUSE_ADMIN_PASSWORD must have 12"):
        start(admin_password="short").bootstrap.prepare()
