"""Families of tokens: what ends them, for whom, and how soon."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import jwt
import pytest
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from tests.integration.api.management import PASSWORD, Management, is_problem, within_a_second
from tollhouse.store.records import RefreshTokenRecord, UserRecord

NEW = "another password for tests"


@pytest.fixture
def ada(api: Management, request: pytest.FixtureRequest) -> str:
    """The id of somebody who is in the default team."""
    return api.add(f"{abs(hash(request.node.name))}@example.com", "member", "team_default")


def email_of(api: Management, user_id: str) -> str:
    return api.services.users.get(user_id).email


def renew(api: Management, refresh_token: str) -> TestResponse:
    return api.post("/auth/refresh", {"refresh_token": refresh_token})


def works(api: Management, token: str) -> bool:
    """Whether an access token is good, here and for calls."""
    calls = api.gateway.app.test_client().get("/v1/models", headers={"x-api-key": token}).status_code == 200
    # Last, as it is the exact one: an end that comes in between is seen here at the latest.
    here = api.get("/auth/me", token).status_code == 200
    assert calls or not here
    return here or calls


def test_a_refresh_token_gives_another_pair_which_is_of_the_same_family(api: Management, ada: str) -> None:
    first = api.pair(ada)
    answer = renew(api, first["refresh_token"])
    assert answer.status_code == 200
    second = answer.json
    assert set(second) == {"access_token", "refresh_token", "token_type", "expires_in"}
    claims = [jwt.decode(one["refresh_token"], options={"verify_signature": False}) for one in (first, second)]
    assert claims[0]["fam"] == claims[1]["fam"]
    assert claims[0]["jti"] != claims[1]["jti"]
    assert abs(claims[0]["exp"] - claims[1]["exp"]) <= 1
    assert works(api, first["access_token"])
    assert works(api, second["access_token"])
    assert renew(api, second["refresh_token"]).status_code == 200


def test_a_refresh_token_may_come_in_the_header(api: Management, ada: str) -> None:
    token = api.pair(ada)["refresh_token"]
    assert api.post("/auth/refresh", token=token).status_code == 200
    assert is_problem(api.post("/auth/refresh"), 401, "missing_access_token")


def test_a_stolen_refresh_token_ends_its_whole_family_whoever_comes_second(api: Management, ada: str) -> None:
    stolen = api.pair(ada)
    elsewhere = api.pair(ada)
    mine = renew(api, stolen["refresh_token"]).json
    assert is_problem(renew(api, stolen["refresh_token"]), 401, "spent_refresh_token")
    assert is_problem(renew(api, mine["refresh_token"]), 401, "spent_refresh_token")
    for token in (stolen["access_token"], mine["access_token"]):
        within_a_second(lambda token=token: not works(api, token))
    assert works(api, elsewhere["access_token"])
    assert renew(api, elsewhere["refresh_token"]).status_code == 200
    owner = api.owner()
    (entry,) = api.get(f"/audit?action=auth.reuse&subject_id={ada}", owner).json["data"]
    assert entry["actor_kind"] == "system"


def test_of_those_who_race_with_one_token_one_wins_and_then_the_family_is_over(api: Management, ada: str) -> None:
    for _ in range(5):
        pair = api.pair(ada)
        start = threading.Barrier(6)

        def go(_: int, pair: dict[str, Any] = pair, start: threading.Barrier = start) -> TestResponse:
            start.wait()
            return renew(api, pair["refresh_token"])

        with ThreadPoolExecutor(6) as pool:
            answers = [*pool.map(go, range(6))]
        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 5
        (won,) = [answer.json for answer in answers if answer.status_code == 200]
        assert is_problem(renew(api, won["refresh_token"]), 401, "spent_refresh_token")
        within_a_second(lambda won=won: not works(api, won["access_token"]))


def test_signing_out_ends_this_family_and_no_other(api: Management, ada: str) -> None:
    here, there = api.pair(ada), api.pair(ada)
    assert works(api, here["access_token"])
    answer = api.post("/auth/logout", token=here["access_token"])
    assert (answer.status_code, answer.content_type, answer.get_data()) == (204, None, b"")
    within_a_second(lambda: not works(api, here["access_token"]))
    assert renew(api, here["refresh_token"]).status_code == 401
    assert works(api, there["access_token"])


def change_password(api: Management, ada: str) -> None:
    token = api.token(ada)
    answer = api.post("/auth/password", {"password": PASSWORD, "new_password": NEW}, token)
    assert answer.status_code == 200
    assert works(api, answer.json["access_token"])
    assert renew(api, answer.json["refresh_token"]).status_code == 200
    assert api.login(email_of(api, ada), PASSWORD).status_code == 401
    assert api.login(email_of(api, ada), NEW).status_code == 200


def disable(api: Management, ada: str) -> None:
    answer = api.ask("PATCH", f"/users/{ada}", api.owner(), {"disabled": True})
    assert answer.json["disabled_at"]
    assert is_problem(api.login(email_of(api, ada)), 401, "wrong_login")


@pytest.mark.parametrize("act", [change_password, disable])
def test_what_was_issued_before_ends_within_a_second(
    api: Management, ada: str, act: Callable[[Management, str], None]
) -> None:
    pairs = [api.pair(ada) for _ in range(3)]
    assert all(works(api, pair["access_token"]) for pair in pairs)
    act(api, ada)
    within_a_second(lambda: not any(works(api, pair["access_token"]) for pair in pairs))
    assert all(renew(api, pair["refresh_token"]).status_code == 401 for pair in pairs)


def test_who_is_let_in_again_signs_in_anew(api: Management, ada: str) -> None:
    old = api.pair(ada)
    disable(api, ada)
    assert api.ask("PATCH", f"/users/{ada}", api.owner(), {"disabled": False}).json["disabled_at"] is None
    assert not works(api, old["access_token"])
    assert api.login(email_of(api, ada)).status_code == 200


def test_a_wrong_current_password_changes_nothing_and_is_throttled(api: Management, ada: str) -> None:
    token = api.token(ada)
    for _ in range(5):
        answer = api.post("/auth/password", {"password": "wrong", "new_password": NEW}, token)
        assert is_problem(answer, 401, "wrong_login")
    answer = api.post("/auth/password", {"password": PASSWORD, "new_password": NEW}, token)
    assert is_problem(answer, 429, "too_many_attempts")
    assert works(api, token)


def test_a_session_does_not_begin_with_a_password_that_is_changed_meanwhile(
    api: Management, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    email, passwords = email_of(api, ada), api.services.sign_in._passwords
    matches = passwords.matches

    def slow(known: str | None, password: str) -> bool:
        good = matches(known, password)
        api.services.users.set_password(ada, NEW)
        return good

    monkeypatch.setattr(passwords, "matches", slow)
    assert is_problem(api.login(email), 401, "wrong_login")


def test_roles_are_those_that_somebody_has_now_whatever_the_token_says(api: Management, ada: str) -> None:
    token = api.token(ada)
    assert api.get("/users", token).status_code == 403
    owner = api.owner()
    assert api.ask("PATCH", f"/users/{ada}", owner, {"role": "admin"}).status_code == 200
    within_a_second(lambda: api.get("/users", token).status_code == 200)
    assert api.ask("PATCH", f"/users/{ada}", owner, {"role": None}).status_code == 200
    within_a_second(lambda: api.get("/users", token).status_code == 403)


def test_revocation_under_load_is_seen_within_a_second(api: Management, ada: str) -> None:
    key = api.services.keys.create("loaded", user_id=ada)
    token = api.token(ada)
    ended: dict[str, float] = {}
    stop = threading.Event()

    def load(secret: str) -> None:
        client = api.gateway.app.test_client()
        while not stop.is_set():
            answer = client.get("/v1/models", headers={"x-api-key": secret})
            if answer.status_code == 401:
                ended.setdefault(f"{secret[:8]}{threading.get_ident()}", time.monotonic())
                return

    threads = [threading.Thread(target=load, args=(secret,)) for secret in (key.key, token) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    assert not ended
    began = time.monotonic()
    assert api.ask("PATCH", f"/users/{ada}", api.owner(), {"disabled": True}).status_code == 200
    changed = time.monotonic()
    for thread in threads:
        thread.join(changed + 2 - time.monotonic())
    stop.set()
    assert len(ended) == len(threads)
    assert max(ended.values()) - changed < 1, max(ended.values()) - began


def test_families_that_have_expired_are_refused_and_removed(api: Management, ada: str) -> None:
    pair = api.pair(ada)
    with api.services.database.write() as session:
        session.execute(
            update(RefreshTokenRecord)
            .where(RefreshTokenRecord.user_id == ada)
            .values(expires_at=api.services.database.now(session) - timedelta(seconds=1))
        )
    assert is_problem(renew(api, pair["refresh_token"]), 401, "invalid_access_token")
    api.begin(ada)
    with api.services.database.read() as session:
        assert len(session.scalars(select(RefreshTokenRecord).where(RefreshTokenRecord.user_id == ada)).all()) == 1


def test_a_clock_that_was_set_back_keeps_nobody_out(api: Management, ada: str) -> None:
    with api.services.database.write() as session:
        ahead = api.services.database.now(session) + timedelta(hours=1)
        session.execute(update(UserRecord).where(UserRecord.id == ada).values(void_before=ahead))
    assert works(api, api.token(ada))


@pytest.mark.parametrize("token", ["x", "a.b.c", "." * 3000, "e30.e30.e30"])
def test_what_is_no_refresh_token_is_a_401(api: Management, ada: str, token: str) -> None:
    assert is_problem(renew(api, token), 401, "invalid_access_token")
    assert is_problem(renew(api, api.token(ada)), 401, "invalid_access_token")
    assert is_problem(api.post("/auth/refresh", {"refresh_token": token, "more": 1}), 400, "invalid_value")
