"""Responses through the whole pipeline: what is kept, what calls go on from, and what hosts get to see of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from tests.gateway import Gateway, settings_for
from tests.ledgers import open_holds
from tests.transcript_host import TranscriptHost
from tollhouse.domain.errors import Unavailable
from tollhouse.services.models.models import NewModel
from tollhouse.store.records import ResponseRecord

RESPONSES = "/v1/responses"
FUNCTION = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}


@pytest.fixture
def native(gateway: Gateway) -> Iterator[TranscriptHost]:
    """A host that speaks Responses itself; its model is "native"."""
    host = TranscriptHost()
    gateway.services.providers.add("native", "vllm", host.url, allow_private=True)
    gateway.services.models.add(NewModel("native", "native", "gpt-5", context_window=10_000))
    gateway.services.serve().catalogue.refresh()
    yield host
    host.close()


def respond(gateway: Gateway, given: Any = "hello big world", model: str = "echo", **fields: Any) -> TestResponse:
    return gateway.post(RESPONSES, {"model": model, "input": given, **fields})


def events(response: TestResponse) -> list[dict[str, Any]]:
    lines = response.get_data(as_text=True).split("\n")
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def final(response: TestResponse) -> dict[str, Any]:
    told: dict[str, Any] = events(response)[-1]["response"]
    return told


def ask(gateway: Gateway, method: str, path: str) -> TestResponse:
    headers = {"authorization": f"Bearer {gateway.key}"}
    return gateway.app.test_client().open(path, method=method, headers=headers)


def stored(gateway: Gateway) -> int:
    with gateway.services.database.read() as session:
        return session.scalar(select(func.count()).select_from(ResponseRecord)) or 0


def error(response: TestResponse) -> tuple[int, str | None, str]:
    told = response.json["error"]
    return response.status_code, told["param"], told["code"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_is_kept_as_its_caller_got_it(gateway: Gateway, stream: bool) -> None:
    response = respond(gateway, stream=stream, metadata={"a": "b"})
    told = final(response) if stream else response.json
    assert told["store"] is True
    assert told["id"] == f"resp_{response.headers['x-request-id'].removeprefix('req_')}"
    assert {event["response"]["id"] for event in events(response) if "response" in event} <= {told["id"]}
    assert gateway.get(f"{RESPONSES}/{told['id']}").json == told


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_not_to_be_kept_is_not_and_asks_no_database(
    gateway: Gateway, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    respond(gateway)  # the key is known from here on

    def refuse(*_: object) -> None:
        raise AssertionError("the database was asked")

    monkeypatch.setattr(gateway.services.database, "ask", refuse)
    monkeypatch.setattr(gateway.services.database, "put", refuse)
    response = respond(gateway, store=False, stream=stream)
    told = final(response) if stream else response.json
    assert (told["status"], told["store"]) == ("completed", False)
    monkeypatch.undo()
    assert gateway.get(f"{RESPONSES}/{told['id']}").status_code == 404


def test_a_chain_is_gone_on_from_without_its_instructions(gateway: Gateway) -> None:
    host = TranscriptHost()
    gateway.services.providers.add("chat", "openai", f"{host.url}/v1", allow_private=True)
    gateway.services.models.add(NewModel("chat", "chat", "m", context_window=10_000))
    gateway.services.serve().catalogue.refresh()
    host.says("chat-text.json")
    first = respond(gateway, "one", model="chat", instructions="Be brief.").json
    second = respond(gateway, "two", model="chat", previous_response_id=first["id"]).json
    third = respond(gateway, "three", model="chat", previous_response_id=second["id"]).json
    assert third["previous_response_id"] == second["id"]
    asked = host.asked[-1]["messages"]
    assert [one["role"] for one in asked] == ["user", "assistant", "user", "assistant", "user"]
    assert [one["content"] for one in asked if one["role"] == "user"] == ["one", "two", "three"]
    host.close()


def test_an_item_is_found_by_its_id(gateway: Gateway) -> None:
    first = respond(gateway, "one").json
    item = first["output"][0]["id"]
    told = respond(gateway, [{"type": "item_reference", "id": item}, {"role": "user", "content": "two"}]).json
    listed = gateway.get(f"{RESPONSES}/{told['id']}/input_items?order=asc").json["data"]
    assert listed[0] == first["output"][0]
    refused = respond(gateway, [{"role": "user", "content": "x"}, {"type": "item_reference", "id": "msg_no"}])
    assert error(refused) == (404, "input[1].id", "not_found")


@pytest.mark.parametrize("stream", [False, True])
def test_a_host_that_speaks_it_is_told_to_keep_nothing_and_gets_all_items(
    gateway: Gateway, native: TranscriptHost, stream: bool
) -> None:
    native.says("responses-reasoning-and-cached-prompt.json")
    native.says("responses-openai-reasoning-tool-and-cached-prompt.sse")
    response = respond(gateway, "What is the weather?", "native", stream=stream, tools=[FUNCTION])
    first = final(response) if stream else response.json
    assert first["id"] != "resp_0a1b2c"
    assert first["store"] is True
    assert gateway.get(f"{RESPONSES}/{first['id']}").json == first
    call_output = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
    given = [call_output] if stream else "Go on."
    second = respond(gateway, given, "native", previous_response_id=first["id"], tools=[FUNCTION]).json
    assert second["previous_response_id"] == first["id"]
    asked = native.asked[-1]
    assert asked["store"] is False
    assert "previous_response_id" not in asked
    assert "resp_" not in json.dumps(asked)
    assert asked["input"][1] == first["output"][0], "what was thought comes back encrypted"
    assert asked["input"][1]["encrypted_content"]
    assert asked["input"][2:-1] == first["output"][1:]
    assert asked["input"][0] == {
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_text", "text": "What is the weather?"}],
    }


def test_the_bytes_of_a_native_call_that_keeps_nothing_are_untouched(gateway: Gateway, native: TranscriptHost) -> None:
    native.says("responses-openai-text.sse")
    native.says("responses-text.json")
    folder = Path(__file__).parents[2] / "golden" / "transcripts"
    streamed = respond(gateway, "x", "native", store=False, stream=True)
    assert streamed.get_data() == (folder / "responses-openai-text.sse").read_bytes()
    assert respond(gateway, "x", "native", store=False).get_data() == (folder / "responses-text.json").read_bytes()
    assert native.asked[-1] == {"model": "gpt-5", "input": "x", "store": False}


def test_incomplete_responses_are_kept_and_gone_on_from(gateway: Gateway) -> None:
    cut = respond(gateway, "one two three four", max_output_tokens=2).json
    assert (cut["status"], cut["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert gateway.get(f"{RESPONSES}/{cut['id']}").json["status"] == "incomplete"
    assert respond(gateway, "go on", previous_response_id=cut["id"]).status_code == 200


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"previous_response_id": "resp_no"}, (404, "previous_response_id", "previous_response_not_found")),
        ({"previous_response_id": "resp_\0"}, (404, "previous_response_id", "previous_response_not_found")),
        ({"previous_response_id": 7}, (400, "previous_response_id", "invalid_value")),
        ({"conversation": "conv_no"}, (404, "conversation", "not_found")),
        ({"conversation": {}}, (400, "conversation.id", "invalid_value")),
        ({"conversation": "c", "previous_response_id": "r"}, (400, "previous_response_id", "invalid_value")),
        ({"background": True, "store": False}, (400, "store", "invalid_value")),
        (
            {"background": True, "previous_response_id": "resp_no"},
            (404, "previous_response_id", "previous_response_not_found"),
        ),
        ({"truncation": "some"}, (400, "truncation", "invalid_value")),
        ({"store": "yes"}, (400, "store", "invalid_value")),
        ({"input": [{"role": "user", "content": "x", "id": ""}]}, (400, "input[0].id", "invalid_value")),
    ],
)
def test_what_leads_nowhere_is_named_and_costs_nothing(
    gateway: Gateway, fields: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    response = gateway.post(RESPONSES, {"model": "echo", "input": "x", **fields})
    assert error(response) == expected
    assert response.json["error"]["type"] == "invalid_request_error"
    assert gateway.rows(0) == []
    assert stored(gateway) == 0


def test_a_field_of_the_callers_own_input_is_named_as_the_caller_counts(gateway: Gateway) -> None:
    first = respond(gateway, "one").json
    bad = [{"role": "user", "content": "x"}, {"type": "function_call_output", "call_id": "no", "output": "y"}]
    refused = respond(gateway, bad, previous_response_id=first["id"])
    assert error(refused) == (400, "input[1].call_id", "invalid_value")
    assert "input[1].call_id" in refused.json["error"]["message"]


def test_input_items_come_in_pages(gateway: Gateway) -> None:
    first = respond(gateway, [{"role": "user", "content": str(number)} for number in range(3)]).json
    second = respond(gateway, "last", previous_response_id=first["id"]).json
    path = f"{RESPONSES}/{second['id']}/input_items"
    everything = gateway.get(f"{path}?order=asc").json
    assert [item["role"] for item in everything["data"]] == ["user", "user", "user", "assistant", "user"]
    assert (everything["object"], everything["has_more"]) == ("list", False)
    assert [everything["first_id"], everything["last_id"]] == [
        everything["data"][0]["id"],
        everything["data"][-1]["id"],
    ]
    newest = gateway.get(f"{path}?limit=2").json
    assert newest["data"] == everything["data"][:2:-1]
    assert newest["has_more"]
    rest = gateway.get(f"{path}?after={newest['last_id']}").json
    assert rest["data"] == everything["data"][2::-1]
    assert error(gateway.get(f"{path}?limit=0")) == (400, "limit", "invalid_value")
    assert error(gateway.get(f"{path}?order=up")) == (400, "order", "invalid_value")
    assert error(gateway.get(f"{path}?after=msg_no")) == (400, "after", "invalid_value")


def test_another_teams_response_is_not_there(gateway: Gateway) -> None:
    id = respond(gateway, "mine").json["id"]
    with gateway.services.database.write() as session:
        session.execute(update(ResponseRecord).values(team_id="team_other"))
    for method, path in (
        ("GET", f"{RESPONSES}/{id}"),
        ("GET", f"{RESPONSES}/{id}/input_items"),
        ("POST", f"{RESPONSES}/{id}/cancel"),
        ("DELETE", f"{RESPONSES}/{id}"),
    ):
        assert ask(gateway, method, path).status_code == 404
    assert respond(gateway, "x", previous_response_id=id).status_code == 404
    assert stored(gateway) == 1


def test_a_deleted_response_is_gone_and_with_it_what_went_on_from_it(gateway: Gateway) -> None:
    first = respond(gateway, "one").json["id"]
    second = respond(gateway, "two", previous_response_id=first).json["id"]
    assert ask(gateway, "DELETE", f"{RESPONSES}/{first}").json == {"id": first, "object": "response", "deleted": True}
    assert ask(gateway, "GET", f"{RESPONSES}/{first}").status_code == 404
    assert ask(gateway, "DELETE", f"{RESPONSES}/{first}").status_code == 404
    refused = respond(gateway, "three", previous_response_id=second)
    assert error(refused) == (404, "previous_response_id", "previous_response_not_found")
    assert first in refused.json["error"]["message"]


def test_only_background_responses_are_cancelled_or_streamed_again(gateway: Gateway) -> None:
    id = respond(gateway).json["id"]
    assert error(ask(gateway, "POST", f"{RESPONSES}/{id}/cancel")) == (400, None, "invalid_request")
    assert error(ask(gateway, "GET", f"{RESPONSES}/{id}?stream=true")) == (400, "stream", "invalid_request")
    assert error(ask(gateway, "GET", f"{RESPONSES}/{id}?stream=maybe")) == (400, "stream", "invalid_value")
    assert error(ask(gateway, "GET", f"{RESPONSES}/{id}?starting_after=1")) == (400, "starting_after", "invalid_value")
    assert ask(gateway, "GET", f"{RESPONSES}/{id}?include=reasoning.encrypted_content").status_code == 200


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("failure", [Unavailable("silent"), OperationalError("INSERT", None, Exception("full"))])
def test_an_answer_that_cannot_be_kept_is_booked_and_its_id_is_not_given(
    gateway: Gateway, stream: bool, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.add_echo("priced", "")

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(gateway.services.database, "put", fail)
    response = respond(gateway, model="priced", stream=stream)
    if stream:
        told = events(response)
        assert (told[-1]["type"], told[-1]["code"]) == ("error", "response_not_stored")
        assert not [event for event in told if event.get("type") == "response.completed"]
        assert "hello" in response.get_data(as_text=True)
    else:
        assert error(response) == (503, None, "response_not_stored")
        assert response.headers["x-should-retry"] == "false", "another try would be paid for again"
        assert "hello" not in response.get_data(as_text=True)
    (row,) = gateway.rows()
    assert (row.input_tokens, row.output_tokens, row.cost, row.estimated) == (3, 3, 9000, False)
    assert open_holds(gateway.services.database) == []
    monkeypatch.undo()
    assert stored(gateway) == 0


def test_a_stream_that_breaks_off_is_not_kept(gateway: Gateway) -> None:
    gateway.add_echo("cut", "cut_after=1")
    response = respond(gateway, model="cut", stream=True)
    told = events(response)
    assert told[0]["type"] == "response.created"
    assert (told[-1]["type"], told[-1]["code"]) == ("error", "upstream_gone")
    assert stored(gateway) == 0
    assert gateway.get(f"{RESPONSES}/{told[0]['response']['id']}").status_code == 404


def test_a_gateway_that_stores_nothing_says_so(tmp_path: Path) -> None:
    gateway = Gateway(settings_for(tmp_path / "home", store_responses="off"))
    try:
        told = respond(gateway)
        assert (told.status_code, told.json["store"]) == (200, False)
        assert error(respond(gateway, store=True)) == (400, "store", "unsupported")
        assert error(respond(gateway, conversation="conv_1")) == (400, "conversation", "unsupported")
        assert gateway.post("/v1/conversations", {}).status_code == 400
        assert stored(gateway) == 0
    finally:
        gateway.close()


def test_a_context_larger_than_any_body_is_refused_before_it_is_read(tmp_path: Path) -> None:
    gateway = Gateway(settings_for(tmp_path / "home", max_body_bytes=3000))
    try:
        first = respond(gateway, "x" * 1500).json
        second = respond(gateway, "go on", previous_response_id=first["id"])
        assert error(second) == (400, "previous_response_id", "invalid_value")
    finally:
        gateway.close()
