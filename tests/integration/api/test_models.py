"""`/api/models`: names, where they lead, and what they cost."""

from typing import Any

import pytest

from tests.integration.api.management import Management, is_problem, within_a_second


@pytest.fixture(scope="module")
def owner(api: Management) -> str:
    return api.owner()


def make(api: Management, owner: str, name: str, **fields: Any) -> Any:
    answer = api.post("/models", {"name": name, "provider": "echo", "upstream_model": "echo", **fields}, owner)
    assert answer.status_code == 201, answer.json
    return answer.json


def test_a_model_is_there_for_calls_at_the_price_that_was_given(api: Management, owner: str) -> None:
    made = make(api, owner, "cheap", input_price="0.15", output_price="0.600", context_window=1000, max_output=50)
    assert made == {
        "id": made["id"],
        "name": "cheap",
        "provider": "echo",
        "upstream_model": "echo",
        "input_price": "0.15",
        "output_price": "0.6",
        "unit_price": None,
        "context_window": 1000,
        "max_output": 50,
        "fallbacks": [],
        "cache_seconds": None,
        "cache_embedding_model": None,
        "cache_similarity": None,
        "created_at": made["created_at"],
    }
    assert api.get(f"/models/{made['id']}", owner).json == made
    within_a_second(lambda: api.gateway.chat("a b", model="cheap").status_code == 200)
    assert float(api.gateway.chat("a b", model="cheap").headers["x-tollhouse-cost-usd"]) > 0
    api.ask("PATCH", f"/models/{made['id']}", owner, {"input_price": "0", "output_price": "0"})
    within_a_second(lambda: float(api.gateway.chat("a b", model="cheap").headers["x-tollhouse-cost-usd"]) == 0)
    assert api.ask("DELETE", f"/models/{made['id']}", owner).status_code == 204
    within_a_second(lambda: api.gateway.chat("a b", model="cheap").status_code == 404)


def test_what_is_not_named_in_a_change_stays_and_each_change_is_told(api: Management, owner: str) -> None:
    made = make(api, owner, "kept", input_price="1", output_price="2", unit_price="0.01", fallbacks=["echo"])
    path = f"/models/{made['id']}"
    changed = api.ask("PATCH", path, owner, {"max_output": 9, "unit_price": None}).json
    assert changed == {**made, "max_output": 9, "unit_price": None}
    published = api.ask("PATCH", path, owner, {"input_price": None, "output_price": None, "upstream_model": None}).json
    assert (published["input_price"], published["upstream_model"]) == (None, "kept")
    api.ask("DELETE", path, owner)
    entries = api.get(f"/audit?subject_id={made['id']}", owner).json["data"]
    assert [one["action"] for one in entries] == ["models.remove", "models.change", "models.change", "models.create"]
    assert entries[2]["before"] == {"max_output": None, "unit_price": "0.01"}
    assert entries[2]["after"] == {"max_output": 9, "unit_price": None}
    assert entries[3]["after"]["input_price"] == "1"
    assert entries[3]["team_id"] is None


def test_a_change_of_what_somebody_else_has_changed_is_a_412(api: Management, owner: str) -> None:
    path = f"/models/{make(api, owner, 'tagged')['id']}"
    seen = api.get(path, owner).headers["etag"]
    assert api.ask("PATCH", path, owner, {"max_output": 9}, if_match=seen).status_code == 200
    for method, body in (("PATCH", {"max_output": 8}), ("DELETE", None)):
        assert is_problem(api.ask(method, path, owner, body, if_match=seen), 412, "changed_meanwhile")
    assert api.get(path, owner).json["max_output"] == 9


def test_a_model_that_another_falls_back_on_stays(api: Management, owner: str) -> None:
    last = make(api, owner, "last")
    first = make(api, owner, "first", fallbacks=["last"])
    assert is_problem(api.ask("DELETE", f"/models/{last['id']}", owner), 409, "conflict")
    api.ask("PATCH", f"/models/{first['id']}", owner, {"fallbacks": []})
    assert api.ask("DELETE", f"/models/{last['id']}", owner).status_code == 204


def test_a_loop_of_fallbacks_is_refused_and_nothing_is_changed(api: Management, owner: str) -> None:
    one = make(api, owner, "round-1")
    make(api, owner, "round-2", fallbacks=["round-1"])
    refused = api.ask("PATCH", f"/models/{one['id']}", owner, {"max_output": 5, "fallbacks": ["round-2"]})
    assert is_problem(refused, 400, "invalid_value")
    assert refused.json["param"] == "fallbacks"
    assert api.get(f"/models/{one['id']}", owner).json == one


def test_models_are_listed_page_by_page_by_name_and_by_provider(api: Management, owner: str) -> None:
    api.services.providers.add("shelf", "echo", "echo:")
    ids = [make(api, owner, f"paged/{number}", provider="shelf")["id"] for number in range(3)]
    first = api.get("/models?provider=shelf&limit=2", owner).json
    rest = api.get(f"/models?provider=shelf&limit=2&after={first['next']}", owner).json
    assert [one["id"] for one in first["data"] + rest["data"]] == ids
    assert rest["next"] is None
    (found,) = api.get("/models?name=paged/1", owner).json["data"]
    assert found["id"] == ids[1]
