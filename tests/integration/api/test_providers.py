"""`/api/providers`: hosts, whose credentials go in and never come out."""

from typing import Any

import pytest

from tests.integration.api.management import Management, is_problem
from tollhouse.services.models.providers import host_of
from tollhouse.store.records import ProviderRecord

URL = "https://api.example.com/v1"
SECRET = "sk-upstream-0123456789"


@pytest.fixture(scope="module")
def owner(api: Management) -> str:
    return api.owner()


def make(api: Management, owner: str, name: str, **fields: Any) -> Any:
    answer = api.post("/providers", {"name": name, "format": "openai", "base_url": URL, **fields}, owner)
    assert answer.status_code == 201, answer.json
    return answer.json


def credential_of(api: Management, id: str) -> str | None:
    with api.services.database.read() as session:
        row = session.get(ProviderRecord, id)
        assert row is not None
        return host_of(row, api.services._vault).credential


def test_a_provider_is_shown_without_its_credential_wherever_it_is_shown(api: Management, owner: str) -> None:
    made = make(api, owner, "shown", credential=SECRET)
    assert made == {
        "id": made["id"],
        "name": "shown",
        "format": "openai",
        "base_url": URL,
        "has_credential": True,
        "allow_private": False,
        "created_at": made["created_at"],
    }
    path = f"/providers/{made['id']}"
    assert credential_of(api, made["id"]) == SECRET
    answers = [
        api.get(path, owner),
        api.get("/providers?name=shown", owner),
        api.ask("PATCH", path, owner, {"credential": SECRET + "x"}),
        api.post("/providers", {"name": "shown", "format": "openai", "base_url": URL, "credential": SECRET}, owner),
        api.post("/providers", {"name": "b", "format": "openai", "base_url": URL, "credential": SECRET + "\n"}, owner),
        api.post("/providers", {"name": "c", "format": "openai", "base_url": URL, "credential": [SECRET]}, owner),
        api.ask("DELETE", path, owner),
        api.get("/audit?limit=200", owner),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 409, 400, 400, 204, 200]
    for answer in answers:
        assert SECRET not in answer.get_data(as_text=True)


def test_a_credential_is_renewed_and_taken_away_and_both_are_told(api: Management, owner: str) -> None:
    made = make(api, owner, "renewed", credential=SECRET)
    path = f"/providers/{made['id']}"
    assert api.ask("PATCH", path, owner, {"credential": "new"}).json["has_credential"]
    assert credential_of(api, made["id"]) == "new"
    assert not api.ask("PATCH", path, owner, {"credential": None}).json["has_credential"]
    assert credential_of(api, made["id"]) is None
    taken, renewed, created = api.get(f"/audit?subject_id={made['id']}", owner).json["data"]
    assert [one["action"] for one in (created, renewed, taken)] == [
        "providers.create",
        "providers.change",
        "providers.change",
    ]
    assert (renewed["before"], renewed["after"]) == ({}, {"credential": "renewed"})
    assert (taken["before"], taken["after"]) == ({"has_credential": True}, {"has_credential": False})


@pytest.mark.parametrize(
    "url", ["https://evil.example.net/v1", "http://api.example.com/v1", "https://api.example.com:8443/v1"]
)
def test_a_credential_does_not_follow_to_another_host(api: Management, owner: str, url: str) -> None:
    made = make(api, owner, f"kept-{len(url)}", credential=SECRET)
    path = f"/providers/{made['id']}"
    refused = api.ask("PATCH", path, owner, {"base_url": url})
    assert is_problem(refused, 400, "invalid_value")
    assert refused.json["param"] == "credential"
    assert api.get(path, owner).json["base_url"] == URL
    assert api.ask("PATCH", path, owner, {"base_url": f"{URL}/beta"}).status_code == 200
    assert api.ask("PATCH", path, owner, {"base_url": url, "credential": "theirs"}).json["base_url"] == url
    assert credential_of(api, made["id"]) == "theirs"


def test_a_change_of_what_somebody_else_has_changed_is_a_412(api: Management, owner: str) -> None:
    path = f"/providers/{make(api, owner, 'tagged')['id']}"
    seen = api.get(path, owner).headers["etag"]
    assert api.ask("PATCH", path, owner, {"format": "vllm"}, if_match=seen).json["format"] == "vllm"
    for method, body in (("PATCH", {"format": "openai"}), ("DELETE", None)):
        assert is_problem(api.ask(method, path, owner, body, if_match=seen), 412, "changed_meanwhile")
    assert api.get(path, owner).json["format"] == "vllm"


def test_a_provider_that_models_are_called_at_stays(api: Management, owner: str) -> None:
    made = make(api, owner, "used")
    model = api.post("/models", {"name": "of-used", "provider": "used"}, owner).json
    assert is_problem(api.ask("DELETE", f"/providers/{made['id']}", owner), 409, "conflict")
    assert api.ask("DELETE", f"/models/{model['id']}", owner).status_code == 204
    assert api.ask("DELETE", f"/providers/{made['id']}", owner).status_code == 204
    assert is_problem(api.get(f"/providers/{made['id']}", owner), 404, "not_found")


def test_a_check_says_whether_the_host_answers(api: Management, owner: str) -> None:
    made = make(api, owner, "silent", base_url="http://127.0.0.1:9/v1", allow_private=True, credential=SECRET)
    told = api.post(f"/providers/{made['id']}/check", None, owner)
    assert told.status_code == 200
    assert (told.json["name"], told.json["ok"], told.json["models"]) == ("silent", False, [])
    assert told.json["problem"]
    assert SECRET not in told.get_data(as_text=True)
    (echo,) = api.get("/providers?name=echo", owner).json["data"]
    assert api.post(f"/providers/{echo['id']}/check", None, owner).json["ok"]


def test_providers_are_listed_page_by_page(api: Management, owner: str) -> None:
    for number in range(3):
        make(api, owner, f"paged-{number}")
    seen, after = [], ""
    while after is not None:
        page = api.get(f"/providers?limit=2{after}", owner).json
        assert len(page["data"]) <= 2
        seen += [one["id"] for one in page["data"]]
        after = page["next"] and f"&after={page['next']}"
    assert seen == sorted(one.id for one in api.services.providers.all())


def test_further_keys_go_in_and_never_come_out(api: Management, owner: str) -> None:
    made = make(api, owner, "several", credential=SECRET)
    path = f"/providers/{made['id']}/keys"
    added = api.post(path, {"name": "second", "credential": SECRET + "2"}, owner)
    assert (added.status_code, added.json["name"], added.json["provider"]) == (201, "second", "several")
    answers = [
        api.get(path, owner),
        api.ask("PATCH", f"{path}/second", owner, {"credential": SECRET + "3"}),
        api.post(path, {"name": "second", "credential": SECRET + "4"}, owner),
        api.post(path, {"name": "third", "credential": SECRET + "\n"}, owner),
        api.ask("PATCH", f"{path}/nope", owner, {"credential": SECRET}),
        api.ask("DELETE", f"{path}/default", owner),
        api.get("/audit?limit=200", owner),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 409, 400, 404, 409, 200]
    for answer in (added, *answers):
        assert SECRET not in answer.get_data(as_text=True)
    assert api.services.provider_keys.credential_of("several", "second") == SECRET + "3"
    first = api.get(f"{path}?limit=1", owner).json
    assert ([key["name"] for key in first["data"]], first["next"]) == (["default"], "default")
    rest = api.get(f"{path}?limit=1&after=default", owner).json
    assert ([key["name"] for key in rest["data"]], rest["next"]) == (["second"], None)
    assert api.ask("DELETE", f"{path}/second", owner).status_code == 204
    assert api.ask("DELETE", f"{path}/default", owner).status_code == 204
    assert api.get(path, owner).json["data"] == []


def test_further_keys_do_not_follow_to_another_host_nor_outlive_the_first(api: Management, owner: str) -> None:
    made = make(api, owner, "several-kept", credential=SECRET)
    path = f"/providers/{made['id']}"
    api.post(f"{path}/keys", {"name": "second", "credential": SECRET + "2"}, owner)
    moved = {"base_url": "https://evil.example.net/v1", "credential": "theirs"}
    assert is_problem(api.ask("PATCH", path, owner, moved), 409, "conflict")
    assert is_problem(api.ask("PATCH", path, owner, {"credential": None}), 409, "conflict")
    assert credential_of(api, made["id"]) == SECRET
    assert api.ask("PATCH", path, owner, {"credential": "new"}).status_code == 200
