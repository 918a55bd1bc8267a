"""Several keys of one provider, as calls use them: a real host that has its own answer for each."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway import Gateway, settings_for
from tests.keyed_host import KeyedHost
from tests.ledgers import open_holds
from tollhouse import logs, metrics
from tollhouse.services.models.models import NewModel

KEYS = ("sk-one", "sk-two", "sk-three")
NAMES = ("default", "two", "three")


@pytest.fixture
def host() -> Iterator[KeyedHost]:
    host = KeyedHost(*KEYS)
    yield host
    host.close()


@pytest.fixture
def gateway(tmp_path: Path, host: KeyedHost) -> Iterator[Gateway]:
    made = Gateway(settings_for(tmp_path, retries=2, retry_pause_seconds=0.01))
    services = made.services
    services.providers.add("keyed", "openai", host.url, credential=KEYS[0], allow_private=True)
    for name, key in zip(NAMES[1:], KEYS[1:], strict=True):
        services.provider_keys.add("keyed", name, key)
    services.models.add(NewModel("m", "keyed", input_price=10**9, output_price=10**9, context_window=10_000))
    services.serve().catalogue.refresh()
    yield made
    made.close()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    events: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(logs, "event", lambda name, **fields: events.append((name, fields)))
    return events


def calls(gateway: Gateway, number: int) -> None:
    for _ in range(number):
        response = gateway.chat(model="m")
        assert response.status_code == 200, response.get_data()


def test_calls_go_out_with_all_keys_in_turn(gateway: Gateway, host: KeyedHost) -> None:
    calls(gateway, 9)
    assert Counter(host.asked) == dict.fromkeys(KEYS, 3)


def test_a_key_at_its_limit_costs_the_caller_nothing_and_rests(gateway: Gateway, host: KeyedHost) -> None:
    host.says("sk-two", 429, retry_after="300")
    calls(gateway, 9)
    assert Counter(host.asked)["sk-two"] == 1
    rows = gateway.rows(9)
    assert {row.outcome for row in rows} == {"ok"}
    assert sorted(row.attempts for row in rows) == [1] * 8 + [2]
    assert open_holds(gateway.services.database) == []


def test_a_key_of_whose_limit_nothing_is_left_is_spared_before_it_is_refused(gateway: Gateway, host: KeyedHost) -> None:
    host.says("sk-one", x_ratelimit_remaining_tokens="0", x_ratelimit_reset_tokens="5m0s")
    calls(gateway, 9)
    assert Counter(host.asked)["sk-one"] == 1


def test_a_key_that_is_refused_is_told_of_while_the_others_go_on(
    gateway: Gateway, host: KeyedHost, told: list[tuple[str, dict[str, Any]]]
) -> None:
    host.says("sk-three", 401)
    calls(gateway, 9)
    assert Counter(host.asked)["sk-three"] == 1
    (alert,) = [fields for name, fields in told if name == "credential_refused"]
    assert (alert["provider"], alert["provider_key"], alert["level"]) == ("keyed", "three", logs.ERROR)
    assert "sk-" not in repr(told)
    assert metrics.REGISTRY.get_sample_value("tollhouse_credentials_bad", {"provider": "keyed"}) == 1


def test_where_no_key_is_left_the_caller_is_told_the_hosts_own_words_and_when_to_come_back(
    gateway: Gateway, host: KeyedHost
) -> None:
    for key in KEYS:
        host.says(key, 429, retry_after="40")
    first = gateway.chat(model="m")
    assert (first.status_code, first.headers["retry-after"]) == (429, "40")
    assert Counter(host.asked) == dict.fromkeys(KEYS, 1)
    second = gateway.chat(model="m")
    assert (second.status_code, second.json["error"]["code"]) == (429, "provider_keys_resting")
    assert 30 < int(second.headers["retry-after"]) <= 40
    assert len(host.asked) == 3
    assert [row.cost for row in gateway.rows(2)] == [0, 0]


def test_a_change_of_the_keys_needs_no_restart(gateway: Gateway, host: KeyedHost) -> None:
    services = gateway.services
    calls(gateway, 3)
    host.says("sk-four")
    services.provider_keys.renew("keyed", "two", "sk-four")
    services.provider_keys.remove("keyed", "three")
    services.serve().catalogue.refresh()
    host.asked.clear()
    calls(gateway, 4)
    assert Counter(host.asked) == {"sk-one": 2, "sk-four": 2}
    services.provider_keys.remove("keyed", "two")
    services.serve().catalogue.refresh()
    host.asked.clear()
    calls(gateway, 2)
    assert host.asked == ["sk-one", "sk-one"]


def test_a_check_asks_with_each_key_and_says_which_is_bad(gateway: Gateway, host: KeyedHost) -> None:
    (well,) = gateway.services.providers.check("keyed")
    assert (well.ok, well.models) == (True, ("m",))
    host.says("sk-two", 401)
    (ill,) = gateway.services.providers.check("keyed")
    assert not ill.ok
    assert ill.problem is not None
    assert ill.problem.startswith("With the key two:")
