"""Credentials that providers refuse, and probes: what is told of them."""

from dataclasses import replace
from unittest.mock import MagicMock

import pytest

from tollhouse import logs, metrics
from tollhouse.domain.errors import UpstreamGone, UpstreamRejected
from tollhouse.domain.routes import Host, HostKey
from tollhouse.services.models.credentials import Credentials
from tollhouse.services.models.probes import Probes
from tollhouse.services.models.providers import ProviderCheck

HOST = Host("prv_1", "locked", "openai", "http://host")


def value(name: str, provider: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(name, {"provider": provider})


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    events: list[str] = []
    monkeypatch.setattr(logs, "event", lambda name, **_fields: events.append(name))
    return events


def test_a_credential_that_is_refused_is_told_once_a_minute_and_counted_each_time(told: list[str]) -> None:
    now = [0.0]
    credentials = Credentials(lambda: now[0])
    before = value("tollhouse_credential_refusals_total", "locked") or 0
    for status in (401, 403, 401):
        credentials.failed(HOST, UpstreamRejected("x", status=status))
    assert told == ["credential_refused"]
    assert value("tollhouse_credential_refusals_total", "locked") == before + 3
    assert value("tollhouse_credentials_bad", "locked") == 1
    now[0] = 61.0
    credentials.failed(HOST, UpstreamRejected("x", status=401))
    assert told == ["credential_refused"] * 2


def test_a_credential_that_works_again_is_well(told: list[str]) -> None:
    credentials = Credentials()
    credentials.worked(HOST)
    credentials.failed(HOST, UpstreamRejected("x", status=401))
    credentials.worked(HOST)
    credentials.worked(HOST)
    assert told == ["credential_refused", "credential_taken"]
    assert value("tollhouse_credentials_bad", "locked") == 0


def test_of_several_keys_each_is_told_of_and_all_is_well_when_none_is_refused(told: list[str]) -> None:
    credentials, (one, two) = Credentials(), (HostKey("a", "one", "sk-1"), HostKey("b", "two", "sk-2"))
    several = replace(HOST, keys=(one, two))
    for key in (one, two, one):
        credentials.failed(several, UpstreamRejected("x", status=401), key)
    credentials.worked(several, one)
    assert told == ["credential_refused"] * 2 + ["credential_taken"]
    assert value("tollhouse_credentials_bad", "locked") == 1
    credentials.worked(several, one)
    assert value("tollhouse_credentials_bad", "locked") == 1
    # What nobody calls with any more is not refused any more.
    credentials.worked(HOST)
    assert value("tollhouse_credentials_bad", "locked") == 0


def test_what_is_no_matter_of_credentials_is_not_told(told: list[str]) -> None:
    credentials = Credentials()
    for error in (UpstreamRejected("x", status=429), UpstreamGone("x")):
        credentials.failed(HOST, error)
    assert told == []


def test_a_probe_tells_who_is_well_and_who_is_not(told: list[str]) -> None:
    checks = [ProviderCheck("well", True, 5, ("m",)), ProviderCheck("ill", False, 5, (), "no")]
    Probes(lambda: checks, MagicMock()).run()
    assert (value("tollhouse_providers_up", "well"), value("tollhouse_providers_up", "ill")) == (1, 0)
    assert told == ["provider_unwell"]
