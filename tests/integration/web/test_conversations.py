"""Conversations: a past that responses go on from and add to."""

from typing import Any

import pytest
from sqlalchemy import update
from werkzeug.test import TestResponse

from tests.gateway import Gateway
from tollhouse.store.records import ConversationRecord

CONVERSATIONS = "/v1/conversations"
HI = {"role": "user", "content": "hi"}


def ask(gateway: Gateway, method: str, path: str, body: Any = None) -> TestResponse:
    headers = {"authorization": f"Bearer {gateway.key}"}
    return gateway.app.test_client().open(path, method=method, headers=headers, json=body)


def said(gateway: Gateway, id: str) -> list[tuple[str, str]]:
    data = ask(gateway, "GET", f"{CONVERSATIONS}/{id}/items?order=asc").json["data"]
    return [(item["role"], item["content"][0]["text"]) for item in data]


def test_a_conversation_is_made_shown_changed_and_forgotten(gateway: Gateway) -> None:
    made = ask(gateway, "POST", CONVERSATIONS, {"items": [HI], "metadata": {"topic": "a"}}).json
    assert made.keys() == {"id", "object", "created_at", "metadata"}
    assert (made["object"], made["metadata"]) == ("conversation", {"topic": "a"})
    path = f"{CONVERSATIONS}/{made['id']}"
    assert ask(gateway, "GET", path).json == made
    assert ask(gateway, "POST", path, {"metadata": {"topic": "b"}}).json == {**made, "metadata": {"topic": "b"}}
    assert ask(gateway, "POST", path, {}).json["error"]["param"] == "metadata"
    assert ask(gateway, "DELETE", path).json == {"id": made["id"], "object": "conversation.deleted", "deleted": True}
    for method, rest in (("GET", ""), ("DELETE", ""), ("GET", "/items"), ("GET", "/items/msg_1")):
        assert ask(gateway, method, path + rest).status_code == 404
    assert ask(gateway, "POST", f"{path}/items", {"items": [HI]}).status_code == 404
    assert ask(gateway, "POST", CONVERSATIONS).status_code == 200, "a body is not needed"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("store", [False, True])
def test_a_response_goes_on_from_its_conversation_and_adds_to_it(gateway: Gateway, stream: bool, store: bool) -> None:
    id = ask(gateway, "POST", CONVERSATIONS, {"items": [HI]}).json["id"]
    for text in ("one", "two"):
        body = {"model": "echo", "input": text, "conversation": {"id": id}, "stream": stream, "store": store}
        response = gateway.post("/v1/responses", body)
        assert response.status_code == 200
        assert f'"conversation":{{"id":"{id}"}}' in response.get_data(as_text=True)
    expected = [("user", "hi"), *[(role, text) for text in ("one", "two") for role in ("user", "assistant")]]
    assert said(gateway, id) == expected
    rows = gateway.rows(2)
    assert rows[1].input_tokens > rows[0].input_tokens > 1, "the host was told all of it"


def test_a_response_of_a_conversation_is_gone_on_from_by_the_conversation(gateway: Gateway) -> None:
    id = ask(gateway, "POST", CONVERSATIONS, {"items": [HI]}).json["id"]
    first = gateway.post("/v1/responses", {"model": "echo", "input": "one", "conversation": id}).json["id"]
    refused = gateway.post("/v1/responses", {"model": "echo", "input": "two", "previous_response_id": first})
    assert (refused.status_code, refused.json["error"]["param"]) == (400, "previous_response_id")
    assert id in refused.json["error"]["message"]


def test_what_failed_or_broke_off_is_no_part_of_it(gateway: Gateway) -> None:
    id = ask(gateway, "POST", CONVERSATIONS, {}).json["id"]
    gateway.add_echo("cut", "cut_after=1")
    gateway.add_echo("down", "status=500")
    for model, stream in (("cut", True), ("cut", False), ("down", False)):
        gateway.post("/v1/responses", {"model": model, "input": "a b c", "conversation": id, "stream": stream})
    assert said(gateway, id) == []


def test_items_are_added_shown_paged_and_taken_away(gateway: Gateway) -> None:
    id = ask(gateway, "POST", CONVERSATIONS, {}).json["id"]
    path = f"{CONVERSATIONS}/{id}/items"
    added = ask(
        gateway, "POST", path, {"items": [{"role": "user", "content": str(number)} for number in range(5)]}
    ).json
    assert len(added["data"]) == 5
    assert all(item["id"].startswith("msg_") and item["status"] == "completed" for item in added["data"])
    page = ask(gateway, "GET", f"{path}?limit=2").json
    assert page["data"] == added["data"][:2:-1]
    assert page["has_more"]
    assert ask(gateway, "GET", f"{path}?after={page['last_id']}").json["data"] == added["data"][2::-1]
    one = added["data"][1]
    assert ask(gateway, "GET", f"{path}/{one['id']}").json == one
    assert ask(gateway, "DELETE", f"{path}/{one['id']}").json["id"] == id
    assert ask(gateway, "GET", f"{path}/{one['id']}").status_code == 404
    assert [text for _, text in said(gateway, id)] == ["0", "2", "3", "4"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"items": [HI] * 21}, "items"),
        ({"items": "hi"}, "items"),
        ({"items": [{"role": "nobody"}]}, "items[0].role"),
        ({"items": [{"type": "item_reference", "id": "msg_1"}]}, "items[0].type"),
        ({"items": [{**HI, "id": "a\0b"}]}, "items[0].id"),
        ({"items": [HI, HI, {"type": "telegram", "text": "hi"}]}, "items[2].type"),
        ({"items": [HI, {"content": "hi"}]}, "items[1].role"),
        ({"items": [{"role": "user"}]}, "items[0].content"),
        ({"items": [{"role": "user", "content": [{"type": "input_text"}]}]}, "items[0].content[0].text"),
        ({"items": [{"role": "user", "content": [{"text": "hi"}]}]}, "items[0].content[0].type"),
        ({"items": [{"role": "user", "content": [{"type": "input_text", "text": 1}]}]}, "items[0].content[0].text"),
        ({"items": [{"role": "user", "content": [{"type": "telegram"}]}]}, "items[0].content[0].type"),
        ({"items": [{"type": "function_call", "call_id": "c", "name": "f"}]}, "items[0].arguments"),
        ({"items": [{"type": "function_call_output", "call_id": "c"}]}, "items[0].output"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"metadata": {str(number): "" for number in range(17)}}, "metadata"),
        ({"metadata": "x"}, "metadata"),
    ],
)
def test_what_cannot_be_kept_is_named(gateway: Gateway, body: dict[str, Any], param: str) -> None:
    refused = ask(gateway, "POST", CONVERSATIONS, body)
    assert (refused.status_code, refused.json["error"]["param"]) == (400, param)


@pytest.mark.parametrize("items", [[{"type": "telegram"}], [HI, {"type": "function_call", "call_id": "c"}]])
def test_what_cannot_be_kept_is_not_added_either(gateway: Gateway, items: list[Any]) -> None:
    id = ask(gateway, "POST", CONVERSATIONS, {"items": [HI]}).json["id"]
    refused = ask(gateway, "POST", f"{CONVERSATIONS}/{id}/items", {"items": items})
    assert (refused.status_code, refused.json["error"]["code"]) == (400, "invalid_value")
    assert said(gateway, id) == [("user", "hi")]


def test_another_teams_conversation_is_not_there(gateway: Gateway) -> None:
    made = ask(gateway, "POST", CONVERSATIONS, {"items": [HI]}).json["id"]
    path = f"{CONVERSATIONS}/{made}"
    item = ask(gateway, "GET", f"{path}/items").json["first_id"]
    with gateway.services.database.write() as session:
        session.execute(update(ConversationRecord).values(team_id="team_other"))
    for method, rest, body in (
        ("GET", "", None),
        ("POST", "", {"metadata": {}}),
        ("DELETE", "", None),
        ("GET", "/items", None),
        ("POST", "/items", {"items": [HI]}),
        ("GET", f"/items/{item}", None),
        ("DELETE", f"/items/{item}", None),
    ):
        assert ask(gateway, method, path + rest, body).status_code == 404
    refused = gateway.post("/v1/responses", {"model": "echo", "input": "x", "conversation": made})
    assert (refused.status_code, refused.json["error"]["param"]) == (404, "conversation")


def test_nobody_without_a_key_gets_anything(gateway: Gateway) -> None:
    client = gateway.app.test_client()
    for path in ("/v1/conversations/conv_1", "/v1/responses/resp_1", "/v1/responses/resp_1/input_items"):
        assert client.get(path).status_code == 401
    assert client.post(CONVERSATIONS, json={}).status_code == 401
