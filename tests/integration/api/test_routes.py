"""`/api/deployments`, and the route and prices of a model."""

from typing import Any

import pytest

from tests.integration.api.management import Management, is_problem, within_a_second
from tollhouse.services.models.models import NewModel


@pytest.fixture(scope="module")
def owner(api: Management) -> str:
    return api.owner()


@pytest.fixture
def model(api: Management, request: pytest.FixtureRequest) -> Any:
    """A model of the test's own: its name and its path."""
    name = request.node.name[:60].replace("[", "-").rstrip("]")
    added = api.services.models.add(NewModel(name, "echo", "words=3", input_price=10**9, output_price=10**9))
    return name, f"/models/{added.id}"


def test_a_deployment_is_made_shown_changed_and_removed(api: Management, owner: str, model: Any) -> None:
    name, _ = model
    body = {"model": name, "provider": "echo", "input_price": "0.10", "output_price": "0.2", "lacks": ["tools"]}
    answer = api.post("/deployments", body, owner)
    assert answer.status_code == 201, answer.json
    made = answer.json
    assert made == {
        "id": made["id"],
        "model": name,
        "provider": "echo",
        "upstream_model": "words=3",
        "input_price": "0.1",
        "output_price": "0.2",
        "context_window": None,
        "max_output": None,
        "weight": 1,
        "priority": 0,
        "lacks": ["tools"],
        "rpm": None,
        "tpm": None,
        "concurrency": None,
        "created_at": made["created_at"],
    }
    place = f"/deployments/{made['id']}"
    shown = api.get(place, owner)
    assert (shown.json, shown.headers["etag"]) == (made, answer.headers["etag"])
    change = {"upstream_model": "other", "rpm": 60, "lacks": [], "input_price": None, "output_price": None}
    changed = api.ask("PATCH", place, owner, change)
    assert changed.json == {**made, **change}
    assert api.get(place, owner).json == changed.json
    assert changed.headers["etag"] == api.get(place, owner).headers["etag"] != shown.headers["etag"]
    for method, body_of in (("PATCH", {"weight": 9}), ("DELETE", None)):
        refused = api.ask(method, place, owner, body_of, if_match=shown.headers["etag"])
        assert is_problem(refused, 412, "changed_meanwhile")
    assert api.ask("PATCH", place, owner, {"upstream_model": None}).json["upstream_model"] == "words=3"
    assert api.ask("DELETE", place, owner).status_code == 204
    assert is_problem(api.get(place, owner), 404, "not_found")
    entries = api.get(f"/audit?subject_id={made['id']}", owner).json["data"]
    did = [(one["action"], one["actor_email"]) for one in entries]
    assert did == [(f"deployments.{what}", "admin@localhost") for what in ("remove", "change", "change", "create")]
    assert (entries[2]["before"]["lacks"], entries[2]["after"]["rpm"]) == (["tools"], 60)
    assert "priority" not in entries[2]["after"], "what stayed is not told"


def test_deployments_are_listed_page_by_page_by_model_and_by_provider(api: Management, owner: str, model: Any) -> None:
    name, _ = model
    api.services.providers.add("shelf", "echo", "echo:")
    ids = [
        api.post("/deployments", {"model": name, "provider": provider}, owner).json["id"]
        for provider in ("echo", "shelf", "shelf")
    ]
    first = api.get(f"/deployments?model={name}&limit=2", owner).json
    rest = api.get(f"/deployments?model={name}&limit=2&after={first['next']}", owner).json
    assert [one["id"] for one in first["data"] + rest["data"]] == ids
    assert rest["next"] is None
    assert [one["id"] for one in api.get("/deployments?provider=shelf", owner).json["data"]] == ids[1:]
    assert api.get("/deployments?model=nothing", owner).json["data"] == []


def test_a_deployment_is_made_once_for_one_idempotency_key(api: Management, owner: str, model: Any) -> None:
    body = {"model": model[0], "provider": "echo"}
    first, again = (api.post("/deployments", body, owner, idempotency_key="deploy once") for _ in range(2))
    assert (first.status_code, again.json) == (201, first.json)
    assert again.headers["idempotency-replayed"] == "true"
    assert len(api.get(f"/deployments?model={model[0]}", owner).json["data"]) == 1


def test_a_route_is_shown_and_changed_in_part(api: Management, owner: str, model: Any) -> None:
    _, path = model
    plain = api.get(f"{path}/route", owner)
    assert plain.json == {
        "strategy": "ordered",
        "sticky": None,
        "aliases": [],
        "context_fallbacks": [],
        "refusal_fallbacks": [],
        "connect_seconds": None,
        "first_byte_seconds": None,
        "idle_seconds": None,
        "total_seconds": None,
        "weight": 1,
        "priority": 0,
        "lacks": [],
        "rpm": None,
        "tpm": None,
        "concurrency": None,
    }
    change = {"strategy": "weighted", "sticky": "session", "aliases": ["nickname"], "total_seconds": 5, "rpm": 600}
    changed = api.ask("PATCH", f"{path}/route", owner, change, if_match=plain.headers["etag"])
    assert changed.json == {**plain.json, **change}
    shown = api.get(f"{path}/route", owner)
    assert (shown.json, shown.headers["etag"]) == (changed.json, changed.headers["etag"])
    within_a_second(lambda: api.gateway.chat("a", model="nickname").status_code == 200)
    refused = api.ask("PATCH", f"{path}/route", owner, {"weight": 9}, if_match=plain.headers["etag"])
    assert is_problem(refused, 412, "changed_meanwhile")
    back = api.ask("PATCH", f"{path}/route", owner, {"sticky": None, "rpm": None, "total_seconds": None}).json
    assert back == {**plain.json, "strategy": "weighted", "aliases": ["nickname"]}
    entries = api.get(f"/audit?action=routes.change&subject_id={path.rpartition('/')[2]}", owner).json["data"]
    assert [one["actor_email"] for one in entries] == ["admin@localhost"] * 2
    assert entries[0]["before"] == {"sticky": "session", "rpm": 600, "total_seconds": 5.0}


def test_an_alias_that_is_taken_is_a_conflict(api: Management, owner: str, model: Any) -> None:
    answer = api.ask("PATCH", f"{model[1]}/route", owner, {"aliases": ["echo"]})
    assert is_problem(answer, 409, "conflict")
    assert answer.json["param"] == "aliases"


def test_prices_are_shown_changed_and_what_calls_are_booked_at(api: Management, owner: str, model: Any) -> None:
    name, path = model
    plain = api.get(f"{path}/prices", owner)
    assert plain.json == {
        "cached_input_price": None,
        "cache_write_price": None,
        "batch_discount": 0,
        "long_context": [],
    }
    step = {"above": 20, "input_price": "2.50", "output_price": "3"}
    change = {"cached_input_price": "0.25", "batch_discount": 50, "long_context": [step]}
    changed = api.ask("PATCH", f"{path}/prices", owner, change, if_match=plain.headers["etag"])
    shown_step = {
        "above": 20,
        "input_price": "2.5",
        "output_price": "3",
        "cached_input_price": None,
        "cache_write_price": None,
    }
    assert changed.json == {
        "cached_input_price": "0.25",
        "cache_write_price": None,
        "batch_discount": 50,
        "long_context": [shown_step],
    }
    shown = api.get(f"{path}/prices", owner)
    assert (shown.json, shown.headers["etag"]) == (changed.json, changed.headers["etag"])
    refused = api.ask("PATCH", f"{path}/prices", owner, {"batch_discount": 1}, if_match=plain.headers["etag"])
    assert is_problem(refused, 412, "changed_meanwhile")

    def price() -> int | None:
        before = len(api.gateway.rows(0))
        assert api.gateway.chat("word " * 50, model=name).status_code == 200
        found: int | None = api.gateway.rows(before + 1)[-1].input_price
        return found

    within_a_second(lambda: api.gateway.chat("x", model=name).status_code == 200)
    within_a_second(lambda: price() == 2_500_000_000)
    api.ask("PATCH", f"{path}/prices", owner, {"cached_input_price": None, "long_context": []})
    assert api.get(f"{path}/prices", owner).json == {**plain.json, "batch_discount": 50}
    within_a_second(lambda: price() == 10**9)
