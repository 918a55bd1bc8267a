"""The login that `up` prints opens the management API; nothing that only looks like its token does."""

import base64
import hmac
import json
import logging
import time
from typing import Any

import jwt
import pytest
from werkzeug.test import TestResponse

from tests.gateway import Gateway, settings_for
from tests.integration.api.management import EMAIL, PASSWORD, Management, is_problem
from tollhouse.wiring import prepare

LOGIN = "/api/auth/login"
ME = "/api/auth/me"


def login(gateway: Gateway, password: str = PASSWORD, email: str = EMAIL, **fields: Any) -> TestResponse:
    return gateway.app.test_client().post(LOGIN, json={"email": email, "password": password, **fields})


@pytest.fixture(scope="module")
def token(gateway: Gateway) -> str:
    return str(login(gateway).json["access_token"])


def me(gateway: Gateway, authorization: str) -> TestResponse:
    headers = {"authorization": authorization.encode().decode("latin-1")}
    return gateway.app.test_client().get(ME, headers=headers)


def test_the_first_administrator_signs_in_and_sees_who_it_is(gateway: Gateway) -> None:
    answer = login(gateway)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 900)
    seen = me(gateway, f"Bearer {answer.json['access_token']}")
    assert seen.status_code == 200
    assert seen.json["id"].startswith("usr_")
    assert (seen.json["email"], seen.json["role"], seen.json["teams"]) == (EMAIL, "owner", [])


def test_a_made_up_password_that_is_printed_signs_in(tmp_path: Any) -> None:
    settings = settings_for(tmp_path / "home")
    printed = prepare(settings).admin_password
    gateway = Gateway(settings)
    assert login(gateway, printed or "").status_code == 200
    gateway.close()


def test_a_wrong_password_and_nobody_are_the_same_answer(gateway: Gateway) -> None:
    wrong, nobody = login(gateway, "wrong"), login(gateway, email="nobody@localhost")
    assert is_problem(wrong, 401, "wrong_login")
    assert wrong.get_data() == nobody.get_data()
    assert wrong.headers["www-authenticate"] == "Bearer"
    assert login(gateway).status_code == 200


def test_too_many_failures_are_a_429_that_says_how_long_to_wait(gateway: Gateway) -> None:
    for _ in range(5):
        assert is_problem(login(gateway, email="victim@localhost"), 401, "wrong_login")
    refused = login(gateway, email="victim@localhost")
    assert is_problem(refused, 429, "too_many_attempts")
    assert 840 < int(refused.headers["retry-after"]) <= 900
    assert login(gateway).status_code == 200


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"email": EMAIL, "password": PASSWORD, "role": "admin"}, "role"),
        ({"email": EMAIL}, "password"),
        ({"password": PASSWORD}, "email"),
        ({"email": EMAIL, "password": 12345}, "password"),
        ({"email": ["a"], "password": PASSWORD}, "email"),
        ({"email": "", "password": PASSWORD}, "email"),
        ({"email": "a\u0000b", "password": PASSWORD}, "email"),
        ({"email": "x" * 321, "password": PASSWORD}, "email"),
        ({"email": EMAIL, "password": "x" * 1025}, "password"),
    ],
)
def test_a_field_that_is_wrong_is_named_and_what_was_sent_is_not_quoted(
    gateway: Gateway, body: dict[str, Any], param: str
) -> None:
    answer = gateway.app.test_client().post(LOGIN, json=body)
    assert is_problem(answer, 400, "invalid_value")
    assert answer.json["param"] == param
    assert param in answer.json["detail"]
    assert "12345" not in answer.json["detail"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"email": NaN}', b'{"email": "\xff"}', b"[" * 100_000])
def test_a_body_that_is_no_object_is_a_400(gateway: Gateway, body: bytes) -> None:
    assert is_problem(gateway.app.test_client().post(LOGIN, data=body), 400, "invalid_json")


def test_a_body_that_is_too_large_is_a_413(gateway: Gateway) -> None:
    assert is_problem(gateway.app.test_client().post(LOGIN, data=b" " * 300_000), 413, "request_too_large")


def segment(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def forged(gateway: Gateway, header: Any = None, signature: str | None = None, **claims: Any) -> str:
    """A token with these changes, signed with the real key. A claim that is None is left out."""
    now = int(time.time())
    begun = Management(gateway).begin(gateway.services.users.named(EMAIL).id)
    good = {
        "sub": begun.person.id,
        "fam": begun.family_id,
        "type": "access",
        "iat": now,
        "nbf": now,
        "exp": now + 60,
        "fresh": False,
        "jti": "j",
    }
    good |= {"iss": "tollhouse", "aud": "tollhouse/api"}
    sent = {name: value for name, value in (good | claims).items() if value is not None}
    signed = f"{segment(header or {'alg': 'HS256', 'typ': 'JWT'})}.{segment(sent)}"
    digest = hmac.digest(gateway.services.token_keys.newest.encode(), signed.encode(), "sha256")
    return f"{signed}.{segment(digest) if signature is None else signature}"


def test_the_forger_of_these_tests_knows_how(gateway: Gateway) -> None:
    assert me(gateway, f"Bearer {forged(gateway)}").status_code == 200
    assert models(gateway, forged(gateway)).status_code == 200


def models(gateway: Gateway, token: str) -> TestResponse:
    return gateway.app.test_client().get("/v1/models", headers={"authorization": f"Bearer {token}"})


@pytest.mark.parametrize(
    "changes",
    [
        {"header": {"alg": "none"}, "signature": ""},
        {"header": {"alg": "None"}, "signature": ""},
        {"header": {"alg": "HS512"}},
        {"header": {"alg": "RS256"}},
        {"header": {"alg": ["HS256"]}},
        {"header": {"typ": "JWT"}},
        {"header": {"alg": "HS256", "crit": ["exp"], "exp": 1}},
        {"header": {"alg": "HS256", "crit": ["b64"], "b64": True}},
        {"header": {"alg": "HS256", "crit": ["b64"], "b64": False}},
        {"header": {"alg": "HS256", "crit": []}},
        {"header": ["HS256"]},
        {"header": b"\xff"},
        {"signature": ""},
        {"signature": segment(b"x" * 32)},
        {"iss": None},
        {"iss": "another"},
        {"aud": None},
        {"aud": "another"},
        {"exp": None},
        {"exp": "tomorrow"},
        {"nbf": 99_999_999_999},
        {"iat": 99_999_999_999},
        {"type": "refresh"},
        {"type": 5},
        {"sub": None},
        {"sub": 5},
        {"sub": "usr_00000000000000000000000000"},
        {"fam": None},
        {"fam": 5},
        {"fam": "fam_00000000000000000000000000"},
        {"jti": None},
        {"iat": None},
    ],
    ids=str,
)
def test_a_token_that_is_not_wholly_right_is_a_401_on_all_paths(gateway: Gateway, changes: dict[str, Any]) -> None:
    token = forged(gateway, **changes)
    assert is_problem(me(gateway, f"Bearer {token}"), 401, "invalid_access_token")
    assert models(gateway, token).status_code == 401


def test_a_token_ends_to_the_second(gateway: Gateway) -> None:
    token = forged(gateway, exp=int(time.time()))
    assert is_problem(me(gateway, f"Bearer {token}"), 401, "expired_access_token")
    assert models(gateway, token).json["error"]["code"] == "expired_access_token"


def test_a_token_that_was_good_for_calls_is_not_once_it_has_expired(gateway: Gateway) -> None:
    token = forged(gateway, exp=int(time.time()) + 2)
    assert models(gateway, token).status_code == 200
    time.sleep(2.1)
    assert models(gateway, token).json["error"]["code"] == "expired_access_token"


def test_a_token_lives_for_fifteen_minutes_and_says_who_in_which_role(gateway: Gateway, token: str) -> None:
    claims = jwt.decode(token, options={"verify_signature": False})
    kid = gateway.services.token_keys.newest_id
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT", "kid": kid}
    assert claims["exp"] - claims["iat"] == 900
    assert (claims["role"], claims["teams"]) == ("owner", [])
    assert not {"email", "password"} & set(claims)


def test_the_key_of_tokens_is_for_tokens_alone(gateway: Gateway, tmp_path: Any) -> None:
    secret = (gateway.settings.home / "secret.key").read_text().strip()
    assert len(gateway.services.token_keys.newest) == 64
    assert gateway.services.token_keys.newest not in (secret, hmac.digest(secret.encode(), b"", "sha256").hex())


@pytest.mark.parametrize(
    "authorization",
    ["Bearer x", "Bearer x.y.z", "Bearer a b", "Bearer \u00fc", "Bearer " + "." * 5000, "Bearer e30.e30.e30"],
)
def test_what_is_no_token_is_a_401(gateway: Gateway, authorization: str) -> None:
    assert is_problem(me(gateway, authorization), 401, "invalid_access_token")


@pytest.mark.parametrize("authorization", ["", "Bearer", "Basic YTpi", "Token x", ", ,", "Bearer x, Bearer y"])
def test_no_token_is_a_401(gateway: Gateway, authorization: str) -> None:
    assert me(gateway, authorization).status_code == 401


def test_claims_that_are_nested_too_deep_to_read_are_a_401(gateway: Gateway) -> None:
    deep = f"{segment({'alg': 'HS256'})}.{segment(b'[' * 8000)}.{segment(b'x' * 32)}"
    assert is_problem(me(gateway, f"Bearer {deep}"), 401, "invalid_access_token")


def test_a_token_is_taken_from_the_header_alone(gateway: Gateway, token: str) -> None:
    client = gateway.app.test_client()
    client.set_cookie("access_token_cookie", token)
    assert client.get(f"{ME}?jwt={token}").status_code == 401


def test_an_api_key_is_no_access_token_and_a_refresh_token_neither(gateway: Gateway) -> None:
    assert is_problem(me(gateway, f"Bearer {gateway.key}"), 401, "invalid_access_token")
    refresh = login(gateway).json["refresh_token"]
    assert is_problem(me(gateway, f"Bearer {refresh}"), 401, "invalid_access_token")
    assert models(gateway, refresh).status_code == 401


def test_an_access_token_calls_models_and_the_call_is_booked_on_the_person(gateway: Gateway, token: str) -> None:
    body = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
    for headers in ({}, {"authorization": "", "x-api-key": token}):
        assert gateway.post("/v1/chat/completions", body, key=token, headers=headers).status_code == 200
    person = gateway.services.users.named(EMAIL)
    assert {row.key_id for row in gateway.rows(2)} == {person.id}


def test_without_the_database_it_is_a_503(tmp_path: Any) -> None:
    gateway = Gateway(settings_for(tmp_path / "home", admin_password=PASSWORD))
    with gateway.services.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE sign_in_attempts RENAME TO away")
    assert is_problem(login(gateway), 503, "unavailable")
    gateway.close()


def test_a_defect_is_a_500_that_tells_nothing(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the secret is 42")

    monkeypatch.setattr(gateway.services.sign_in, "sign_in", fail)
    answer = login(gateway)
    assert is_problem(answer, 500, "internal_error")
    assert "42" not in answer.get_data(as_text=True)


def test_paths_and_methods_that_are_not_there_are_problems_too(gateway: Gateway) -> None:
    client = gateway.app.test_client()
    assert is_problem(client.get("/api/nothing"), 404, "not_found")
    assert is_problem(client.get("/api/"), 404, "not_found")
    refused = client.get(LOGIN)
    assert is_problem(refused, 405, "method_not_allowed")
    assert "POST" in refused.headers["allow"]


def test_attempts_are_logged_without_what_was_typed(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("tollhouse")
    with caplog.at_level("INFO", logger="tollhouse"):
        logger.addHandler(caplog.handler)
        try:
            login(gateway, "a wrong one", email="typed@localhost")
            login(gateway)
        finally:
            logger.removeHandler(caplog.handler)
    lines = [f"{record.msg} {vars(record).get('fields')}" for record in caplog.records]
    assert any(line.startswith("sign_in_failed ") for line in lines)
    assert any(line.startswith("signed_in ") and "usr_" in line for line in lines)
    assert not [line for line in lines if PASSWORD in line or "a wrong one" in line or "typed@" in line]
