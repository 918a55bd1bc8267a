"""What no database keeps is told to whoever sent it, and is no outage of the database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.databases import fresh_database_url
from tests.gateway import Gateway, settings_for
from tests.integration.api.management import PASSWORD, Management, is_problem
from tests.servers.postgres import PostgresServer


@pytest.fixture(scope="module")
def on_postgresql(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[Management]:
    home: Path = tmp_path_factory.mktemp("nul") / "home"
    with fresh_database_url("postgresql", home, postgres_server) as url:
        settings = settings_for(
            home, admin_password=PASSWORD, database_url=url, secret_key="a secret for tests that is long enough"
        )
        gateway = Gateway(settings)
        yield Management(gateway)
        gateway.close()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": "a\0b"}, "name"),
        ({"name": "a", "team_id": "team\0"}, "team_id"),
        ({"name": "a", "tags": ["b", "c\0"]}, "tags[1]"),
    ],
)
def test_a_nul_in_a_body_is_named(api: Management, on_postgresql: Management, body: Any, param: str) -> None:
    for one in (api, on_postgresql):
        answer = one.post("/keys", body, one.owner())
        assert is_problem(answer, 400, "invalid_value")
        assert answer.json["param"] == param


def test_a_nul_in_a_query_is_named_and_in_a_path_leads_nowhere(api: Management, on_postgresql: Management) -> None:
    for one in (api, on_postgresql):
        owner = one.owner()
        assert one.get("/requests?end_user=a%00", owner).json["param"] == "end_user"
        assert one.get("/keys?after=%00", owner).json["param"] == "after"
        for path in ("/keys/a%00", "/teams/%00", "/requests/%00", "/users/%00/"):
            assert is_problem(one.get(path, owner), 404, "not_found")


@pytest.mark.parametrize("path", ["/v1/responses/resp_%00", "/v1/conversations/conv_%00", "/v1/models/%00"])
def test_a_nul_in_a_path_of_inference_is_the_callers_mistake(on_postgresql: Management, path: str) -> None:
    assert on_postgresql.gateway.get(path).status_code in (400, 404)
