"""Providers: added, registered, checked; their credentials sealed."""

import pytest
from sqlalchemy import select

from tests.integration.services.conftest import SECRET, VAULT, Hosts
from tollhouse.domain.errors import Conflict, InvalidField, InvalidSetting, NotFound, UpstreamRefused
from tollhouse.providers.addresses import check_base_url
from tollhouse.services.models.providers import Providers, host_of
from tollhouse.store.changes import current_version
from tollhouse.store.database import Database
from tollhouse.store.records import ProviderRecord
from tollhouse.store.vault import FernetVault

URL = "https://api.example.com/v1"
CREDENTIAL = "sk-upstream-secret"


def row_of(database: Database, name: str) -> ProviderRecord:
    with database.read() as session:
        return session.scalars(select(ProviderRecord).where(ProviderRecord.name == name)).one()


def version(database: Database) -> int:
    with database.read() as session:
        return current_version(session)


def test_an_added_provider_is_listed_by_name(providers: Providers) -> None:
    providers.add("zeta", "openai", URL)
    providers.add("alpha", "anthropic", URL, credential=CREDENTIAL, allow_private=True)
    shown = [(p.name, p.preset, p.base_url, p.has_credential, p.allow_private) for p in providers.all()]
    assert shown == [("alpha", "anthropic", URL, True, True), ("zeta", "openai", URL, False, False)]


def test_a_credential_is_sealed_and_never_shown(providers: Providers, database: Database) -> None:
    shown = providers.add("alpha", "openai", URL, credential=CREDENTIAL)
    row = row_of(database, "alpha")
    host = host_of(row, VAULT)
    assert host.credential == CREDENTIAL
    for place in (repr(shown), repr(providers.all()), repr(host), repr(row), row.credential or "", repr(vars(row))):
        assert CREDENTIAL not in place


def test_a_name_is_taken_once(providers: Providers) -> None:
    providers.add("alpha", "openai", URL)
    with pytest.raises(Conflict, match="'alpha' already"):
        providers.add("alpha", "anthropic", URL)
    assert [provider.preset for provider in providers.all()] == ["openai"]


def test_a_name_with_space_around_it_is_the_name_without(providers: Providers) -> None:
    assert providers.add(" alpha ", "openai", URL).name == "alpha"
    with pytest.raises(Conflict):
        providers.add("alpha ", "openai", URL)


def test_a_provider_needs_a_name_that_programs_can_use(providers: Providers) -> None:
    for name in ("", "a b", "x" * 101, "a\x00b", "ключ"):
        with pytest.raises(InvalidField) as raised:
            providers.add(name, "openai", URL)
        assert raised.value.param == "name"
    assert providers.all() == []


def test_a_bad_base_url_adds_nothing(providers: Providers) -> None:
    for url in ("", "example.com", "ftp://example.com", "https://", "https://me:word@example.com", "https://a b.c"):
        with pytest.raises(InvalidField):
            providers.add("alpha", "openai", url)
    assert providers.all() == []


def test_a_base_url_that_is_too_long_adds_nothing(providers: Providers) -> None:
    with pytest.raises(InvalidField, match="longer than 2000"):
        providers.add("alpha", "openai", "https://example.com/" + "a" * 2000)
    assert providers.all() == []


def test_a_private_address_must_be_meant(providers: Providers) -> None:
    for url in ("http://127.0.0.1:8080/v1", "http://10.1.2.3", "http://[::1]", "http://169.254.169.254"):
        with pytest.raises(InvalidField, match="allow-private"):
            providers.add("alpha", "openai", url)
    url = "http://127.0.0.1:8080/v1"
    assert providers.add("alpha", "openai", url, allow_private=True).base_url == url


def test_a_provider_registered_again_stays_as_it_is(providers: Providers, database: Database) -> None:
    first = providers.register("alpha", "openai", URL, credential=CREDENTIAL, allow_private=False)
    before, sealed = version(database), row_of(database, "alpha").credential
    assert providers.register("alpha", "openai", URL, credential=CREDENTIAL, allow_private=False) == first
    assert version(database) == before
    assert row_of(database, "alpha").credential == sealed


def test_a_provider_registered_with_something_new_is_brought_up_to_date(
    providers: Providers, database: Database
) -> None:
    first = providers.register("alpha", "openai", URL, credential=CREDENTIAL, allow_private=False)
    before = version(database)
    changed = providers.register("alpha", "openai", "http://127.0.0.1:1/v1", credential="new", allow_private=True)
    assert (changed.id, changed.base_url, changed.allow_private) == (first.id, "http://127.0.0.1:1/v1", True)
    assert host_of(row_of(database, "alpha"), VAULT).credential == "new"
    assert version(database) > before
    assert not providers.register("alpha", "openai", URL, credential=None, allow_private=False).has_credential


def test_a_provider_is_not_registered_at_a_bad_url(providers: Providers) -> None:
    providers.register("alpha", "openai", URL, credential=None, allow_private=False)
    with pytest.raises(InvalidField):
        providers.register("alpha", "openai", "http://127.0.0.1", credential=None, allow_private=False)
    assert [provider.base_url for provider in providers.all()] == [URL]


def test_a_check_asks_with_the_credential_and_shows_the_models(providers: Providers, hosts: Hosts) -> None:
    providers.add("alpha", "openai", URL, credential=CREDENTIAL)
    (check,) = providers.check("alpha")
    assert (check.name, check.ok, check.models, check.problem) == ("alpha", True, ("one", "two"), None)
    assert [host.credential for host in hosts.asked] == [CREDENTIAL]


def test_a_check_says_what_is_wrong(providers: Providers, hosts: Hosts) -> None:
    providers.add("alpha", "openai", URL)
    hosts.error = UpstreamRefused("Nobody answers there.")
    (check,) = providers.check()
    assert (check.ok, check.models, check.problem) == (False, (), "Nobody answers there.")


def test_a_check_is_of_all_providers_or_of_one_that_exists(providers: Providers) -> None:
    assert providers.check() == []
    providers.add("beta", "openai", URL)
    providers.add("alpha", "openai", URL)
    assert [check.name for check in providers.check()] == ["alpha", "beta"]
    with pytest.raises(NotFound, match="'gamma'"):
        providers.check("gamma")


def test_a_check_of_all_goes_on_past_one_that_another_key_sealed(
    providers: Providers, database: Database, hosts: Hosts
) -> None:
    providers.add("alpha", "openai", URL, credential=CREDENTIAL)
    other = Providers(database, FernetVault(SECRET[::-1]), hosts, check_base_url)
    other.add("beta", "openai", URL, credential=CREDENTIAL)
    sealed, good = other.check()
    assert (sealed.ok, good.ok) == (False, True)
    assert "TOLLHOUSE_SECRET_KEY" in (sealed.problem or "")


def test_a_credential_sealed_under_another_key_is_not_opened(providers: Providers, database: Database) -> None:
    providers.add("alpha", "openai", URL, credential=CREDENTIAL)
    with pytest.raises(InvalidSetting, match="another TOLLHOUSE_SECRET_KEY"):
        host_of(row_of(database, "alpha"), FernetVault(SECRET[::-1]))
