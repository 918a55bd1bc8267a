"""`/openapi.json` says what the inference API is: all of it, validly, and as it is."""

import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.gateway import CHAT, MESSAGES, Gateway
from tollhouse.domain.webhooks import EVENT_TYPES
from tollhouse.web.description import operations_of
from tollhouse.web.inference.respond import InferenceView
from tollhouse.web.openapi.document import inference_routes, path_of
from tollhouse.wire import FORMATS


@pytest.fixture
def document(gateway: Gateway) -> Any:
    return gateway.app.test_client().get("/openapi.json").json


def operations(document: Any) -> list[tuple[str, str, Any]]:
    return [(path, method, one) for path, methods in document["paths"].items() for method, one in methods.items()]


def test_it_is_valid_openapi_and_needs_no_key(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document).validate()


def test_every_inference_route_is_described_beside_it_and_nothing_else_is(gateway: Gateway, document: Any) -> None:
    routes = {(path_of(rule), method.lower()) for rule, method, _ in inference_routes(gateway.app)}
    told = {(path, method) for path, method, _ in operations(document)}
    assert routes - told == set(), "describe these with `described(METHOD=Operation(...))`, as web/inference/chat.py"
    assert told - routes == set()
    for _, _, view in inference_routes(gateway.app):
        methods = {method for _, method, other in inference_routes(gateway.app) if other is view}
        assert set(operations_of(view)) <= methods, "a method is described that the route does not take"


def test_what_webhooks_are_sent_is_described_by_its_type(document: Any) -> None:
    assert document["webhooks"].keys() == {*EVENT_TYPES, "webhook.test"}
    for kind, methods in document["webhooks"].items():
        told = methods["post"]
        assert {one["name"] for one in told["parameters"]} == {
            "webhook-id", "webhook-timestamp", "webhook-signature",
        }  # fmt: skip
        example = told["requestBody"]["content"]["application/json"]["example"]
        assert (example["type"], example["object"]) == (kind, "event")


def test_every_operation_has_what_a_reader_needs(document: Any) -> None:
    found = operations(document)
    assert len({one["operationId"] for _, _, one in found}) == len(found)
    for path, method, one in found:
        assert one["summary"], path
        assert one["tags"], path
        assert {"401", "500", "503"} <= one["responses"].keys(), path
        answers = one["responses"]["200"]["content"].values()
        assert (
            any("example" in answer for answer in answers)
            or "application/json" not in one["responses"]["200"]["content"]
        ), f"{method} {path} has no example of its answer"
        for parameter in one["parameters"]:
            assert parameter["description"], (path, parameter["name"])
        for body in one.get("requestBody", {}).get("content", {}).values():
            assert body["schema"], path
            assert "example" in body, path


def test_errors_have_the_vendors_shape_and_its_statuses(document: Any) -> None:
    chat = document["paths"][CHAT]["post"]["responses"]
    messages = document["paths"][MESSAGES]["post"]["responses"]
    assert {"400", "401", "403", "404", "413", "415", "429", "502", "503", "504", "529"} <= chat.keys()
    assert "402" in messages.keys() - chat.keys()
    assert "`model_not_found`" in chat["404"]["description"]
    assert chat["429"]["content"]["application/json"]["example"]["error"]["code"] == "insufficient_quota"
    assert messages["402"]["content"]["application/json"]["example"]["error"]["type"] == "billing_error"


def test_a_stream_is_told_where_there_is_one(document: Any) -> None:
    streamed = {
        path for path, _, one in operations(document) if "text/event-stream" in one["responses"]["200"]["content"]
    }
    assert {CHAT, MESSAGES, "/v1/completions"} <= streamed
    assert "/v1/embeddings" not in streamed


def test_every_example_of_a_call_is_one_that_the_gateway_answers(gateway: Gateway, document: Any) -> None:
    views = {path_of(rule): view for rule, _, view in inference_routes(gateway.app) if isinstance(view, InferenceView)}
    calls = [(path, one) for path, method, one in operations(document) if method == "post" and path in views]
    answered = 0
    for path, one in calls:
        body = one["requestBody"]["content"].get("application/json")
        if body is None or views[path].format not in FORMATS:
            continue  # a form, which is no JSON
        response = gateway.post(path, body["example"])
        # Echo does not speak every format; whatever it does speak it answers.
        refused = response.status_code == 400 and "its provider speaks" in response.get_data(as_text=True)
        assert response.status_code == 200 or refused, (path, response.get_data(as_text=True))
        if response.status_code != 200:
            continue
        answered += 1
        ours = {name.lower() for name, _ in response.headers if name.lower().startswith(("x-", "request-id"))}
        assert ours <= one["responses"]["200"]["headers"].keys(), path
        example = one["responses"]["200"]["content"]["application/json"]["example"]
        assert example.keys() <= response.json.keys(), path
    assert answered >= 5


def test_it_is_made_once_and_not_sent_twice(gateway: Gateway) -> None:
    client = gateway.app.test_client()
    first = client.get("/openapi.json")
    again = client.get("/openapi.json", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.get_data()) == (304, b"")


def test_a_page_shows_it_without_anything_from_elsewhere(gateway: Gateway, document: Any) -> None:
    page = gateway.app.test_client().get("/openapi")
    text = page.get_data(as_text=True)
    for path, _, one in operations(document):
        assert f'id="{one["operationId"]}"' in text
        assert path in text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in text
    assert "src=" not in text
    assert "<code>/v1</code>" in text, "descriptions are Markdown"
    assert "`" not in text


def test_every_link_of_the_first_page_leads_somewhere(gateway: Gateway) -> None:
    client = gateway.app.test_client()
    links = re.findall(r'href="([^"]+)"', client.get("/").get_data(as_text=True))
    assert {"/openapi", "/openapi.json", "/api/docs"} == set(links)
    assert {client.get(link).status_code for link in links} == {200}
