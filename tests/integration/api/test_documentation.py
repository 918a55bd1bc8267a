"""`/api/docs` and `/api/swagger.json`."""

import re

import pytest

from tests.gateway import Gateway


def test_every_operation_has_an_id_a_summary_its_errors_and_an_example(gateway: Gateway) -> None:
    answer = gateway.app.test_client().get("/api/swagger.json")
    assert answer.status_code == 200
    assert answer.json["basePath"] == "/api"
    operations = [
        operation for path in answer.json["paths"].values() for name, operation in path.items() if name != "parameters"
    ]
    assert {operation["operationId"] for operation in operations} >= {"login", "me"}
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    definitions = answer.json["definitions"]
    for operation in operations:
        assert operation["summary"]
        assert "503" in operation["responses"]
        in_query = [one for one in operation.get("parameters", ()) if one["in"] == "query"]
        assert ("414" in operation["responses"]) == bool(in_query), "a query may make an address too long"
        takes_a_key = any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", ()))
        assert not takes_a_key or "400" in operation["responses"], "a key may be none"
        assert operation["security"] == [] or {"401", "403"} <= set(operation["responses"])
        for status, response in operation["responses"].items():
            assert status in ("204", "302") or "example" in definitions[response["schema"]["$ref"].rpartition("/")[2]]
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "body":
                assert definitions[parameter["schema"]["$ref"].rpartition("/")[2]]["additionalProperties"] is False


def test_the_swagger_page_needs_its_own_files_only(gateway: Gateway) -> None:
    client = gateway.app.test_client()
    page = client.get("/api/docs")
    html = page.get_data(as_text=True)
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|style=|\son\w+=|<script>|https?://", html)
    files = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert len(files) == 3
    for path in files:
        with client.get(path) as file:
            assert file.status_code == 200
            assert file.headers["x-content-type-options"] == "nosniff"
    assert 'data-specification="/api/swagger.json"' in html


@pytest.mark.parametrize("path", ["/api/docs/oauth2-redirect.html", "/api/docs/../management.py", "/swaggerui/x.html"])
def test_no_other_file_is_served(gateway: Gateway, path: str) -> None:
    assert gateway.app.test_client().get(path).status_code == 404
