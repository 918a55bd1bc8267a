"""`Idempotency-Key` on what makes something."""

from typing import Any

import pytest

from tests.integration.api.management import Management, is_problem
from tollhouse.web import idempotency


def send(api: Management, path: str, body: Any, key: str, token: str | None = None) -> Any:
    return api.post(path, body, token or api.owner(), idempotency_key=key)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/keys", {"name": "once", "tags": ["a"]}),
        ("/teams", {"name": "once"}),
        ("/users", {"email": "once@example.com", "role": "member"}),
    ],
)
def test_the_same_request_has_the_same_answer(api: Management, path: str, body: Any) -> None:
    first, again = (send(api, path, body, f"once {path}") for _ in range(2))
    assert first.status_code in (201, 202)
    assert (again.status_code, again.json) == (first.status_code, first.json)
    assert again.headers.get("etag") == first.headers.get("etag")
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["cache-control"] == "no-store"


def test_a_key_is_made_once_and_shown_again(api: Management) -> None:
    first, again = (send(api, "/keys", {"name": "secret"}, "k1").json for _ in range(2))
    assert first["key"] == again["key"]
    assert [key["name"] for key in api.get("/keys", api.owner()).json["data"]].count("secret") == 1
    rotated = [send(api, f"/keys/{first['id']}/rotate", {}, "k2").json["key"] for _ in range(2)]
    assert rotated[0] == rotated[1] != first["key"]


def test_the_order_of_fields_makes_no_other_request(api: Management) -> None:
    assert send(api, "/keys", {"name": "order", "tags": []}, "k3").status_code == 201
    assert send(api, "/keys", {"tags": [], "name": "order"}, "k3").headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(("path", "body"), [("/keys", {"name": "other"}), ("/teams", {"name": "same key"})])
def test_another_request_with_the_same_key_is_422(api: Management, path: str, body: Any) -> None:
    send(api, "/keys", {"name": "first"}, "k4")
    answer = send(api, path, body, "k4")
    assert is_problem(answer, 422, "idempotency_key_reused")
    assert answer.json["param"] == "Idempotency-Key"


def test_somebody_elses_key_is_their_own(api: Management) -> None:
    ada = api.token(api.add("ada-once@example.com", "owner"))
    send(api, "/keys", {"name": "mine"}, "k5")
    assert "idempotency-replayed" not in send(api, "/keys", {"name": "theirs"}, "k5", ada).headers


def test_a_refusal_is_not_kept(api: Management) -> None:
    api.services.teams.create("taken")
    body = {"name": "taken"}
    assert is_problem(send(api, "/teams", body, "k6"), 409, "conflict")
    api.services.teams.change(api.services.teams.named("taken").id, name="free again")
    assert send(api, "/teams", body, "k6").status_code == 201


@pytest.mark.parametrize("key", ["", "x" * (idempotency.LONGEST + 1), "\N{SNOWMAN}".encode().decode("latin-1")])
def test_a_key_that_is_none_is_refused(api: Management, key: str) -> None:
    answer = send(api, "/keys", {"name": "nothing"}, key)
    assert is_problem(answer, 400, "invalid_value")
    assert answer.json["param"] == "Idempotency-Key"


def test_what_makes_something_says_that_it_takes_one(api: Management) -> None:
    paths = api.get("/swagger.json").json["paths"]
    taking = {
        f"{method} {path}"
        for path, methods in paths.items()
        for method, about in methods.items()
        if method != "parameters"
        for parameter in about.get("parameters", ())
        if parameter["name"] == "Idempotency-Key"
    }
    assert {"post /keys", "post /teams", "post /users", "post /keys/{id}/rotate"} <= taking
    assert not {one for one in taking if "/auth/" in one or not one.startswith("post ")}
    assert {"409", "422"} <= set(paths["/teams"]["post"]["responses"])
