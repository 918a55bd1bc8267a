"""What was asked and answered: kept where a team says so, shown to who rules it, found by its words."""

import time
from typing import Any

import pytest

from tests.gateway import CHAT
from tests.integration.api.management import Management, is_problem


@pytest.fixture(scope="module")
def team(api: Management) -> str:
    """A team that keeps what is asked and answered."""
    team = api.services.teams.create("keeping").id
    assert api.ask("PATCH", f"/teams/{team}", api.owner(), {"payload_days": 7}).json["payload_days"] == 7
    return team


@pytest.fixture(scope="module")
def key(api: Management, team: str) -> str:
    return api.services.keys.create("k", team_id=team).key or ""


def call(api: Management, key: str, text: str, **fields: Any) -> str:
    """A call's request id, once all is written."""
    api.services.serve().catalogue.refresh()
    body = {"model": "echo", "messages": [{"role": "user", "content": text}], **fields}
    answer = api.gateway.post(CHAT, body, key=key)
    deadline = time.monotonic() + 30
    while api.services.serve().notes.unwritten or api.services.serve().ledger.unwritten:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return answer.headers["x-request-id"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_shown_with_what_was_asked_and_answered(api: Management, key: str, stream: bool) -> None:
    id = call(api, key, "hello Big wörld", stream=stream)
    found = api.get(f"/requests/{id}", api.owner()).json
    payload = found["payload"]
    assert payload["request"]["messages"] == [{"role": "user", "content": "hello Big wörld"}]
    said = payload["answer"] if stream else payload["answer"]["choices"][0]["message"]["content"]
    assert "hello Big wörld" in said
    assert (payload["format"], payload["streamed"], payload["broken"]) == ("chat", stream, False)
    assert (len(found["attempts"]), found["error"]) == (1, None)


def test_of_a_team_that_keeps_nothing_there_is_no_payload(api: Management) -> None:
    id = call(api, api.gateway.key, "hello")
    assert api.get(f"/requests/{id}", api.owner()).json["payload"] is None


def test_a_call_is_found_by_words_in_whatever_case_and_by_who_may_read_them(
    api: Management, key: str, team: str
) -> None:
    id = call(api, key, "the Zanzibar file")
    other = api.services.teams.create("other").id
    rules, looks, elsewhere = (
        api.token(api.add(f"{role}-{of}@example.com", role, of))
        for role, of in (("admin", team), ("member", team), ("owner", other))
    )
    for token in (api.owner(), rules):
        rows = api.get("/requests?text=ZANZIBAR", token).json["data"]
        assert [row["request_id"] for row in rows] == [id]
    assert api.get("/requests?text=zanzibaren", rules).json == {"data": [], "next": None}
    assert is_problem(api.get("/requests?text=zanzibar", looks), 403, "forbidden")
    assert api.get(f"/requests/{id}", looks).json["payload"] is None
    assert api.get("/requests?text=zanzibar", elsewhere).json["data"] == []
    assert is_problem(api.get(f"/requests/{id}", elsewhere), 404, "not_found")


def test_who_rules_a_team_says_what_it_keeps_and_the_audit_log_tells_of_it(api: Management) -> None:
    team = api.services.teams.create("audited").id
    admin, member = (api.token(api.add(f"{role}-audited@example.com", role, team)) for role in ("admin", "member"))
    assert is_problem(api.ask("PATCH", f"/teams/{team}", member, {"payload_days": 7}), 403, "forbidden")
    assert api.ask("PATCH", f"/teams/{team}", admin, {"payload_days": 7}).json["payload_days"] == 7
    assert is_problem(api.ask("PATCH", f"/teams/{team}", admin, {"payload_days": 7, "name": "x"}), 403, "forbidden")
    assert is_problem(api.ask("PATCH", f"/teams/{team}", admin, {"payload_days": 9999}), 400, "invalid_value")
    assert api.ask("PATCH", f"/teams/{team}", admin, {"payload_days": None}).json["payload_days"] is None
    entries = api.get(f"/audit?team_id={team}&action=teams.change", admin).json["data"]
    told = [(entry["before"]["payload_days"], entry["after"]["payload_days"]) for entry in entries]
    assert told == [(7, None), (None, 7)]


def test_the_id_of_an_error_leads_to_what_the_caller_was_told(api: Management, key: str, team: str) -> None:
    id = call(api, key, "hello", model="nowhere")
    found = api.get(f"/requests/{id}", api.owner()).json
    assert (found["status"], found["outcome"], found["attempts"], found["model"]) == (404, "model_not_found", [], None)
    assert "nowhere" in found["error"]["message"]
    assert found["payload"]["request"]["model"] == "nowhere"
    elsewhere = api.token(api.add("elsewhere@example.com", "owner", api.services.teams.create("elsewhere").id))
    assert is_problem(api.get(f"/requests/{id}", elsewhere), 404, "not_found")


def test_a_call_that_failed_at_its_provider_is_booked_and_has_the_words_too(api: Management, key: str) -> None:
    api.gateway.add_echo("failing", "status=500")
    id = call(api, key, "hello", model="failing")
    found = api.get(f"/requests/{id}", api.owner()).json
    assert found["attempts"][0]["outcome"] == found["outcome"] == found["error"]["code"]
    assert found["error"]["message"]


def test_pages_of_a_search_for_words_go_on_where_they_ended(
    api: Management, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tollhouse.services.requests.requests.SCANNED", 2)
    ids = [call(api, key, text) for text in ("needle one", "hay", "hay", "hay", "needle two")]
    seen, after, pages = [], "", 0
    while True:
        page = api.get(f"/requests?text=needle{after}", api.owner()).json
        seen += [row["request_id"] for row in page["data"]]
        pages += 1
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == [ids[4], ids[0]]
    assert pages > 2
