from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.logs.conftest import Log
from tollhouse import logs
from tollhouse.logs.masking import mask

SECRET = "Zq7Zq7Zq7Zq7Zq7Zq7"


@pytest.mark.parametrize(
    "text",
    [
        f"sk-th-{SECRET}",
        f"sk-ant-api03-{SECRET}",
        f"sk-proj-{SECRET}",
        f"sk-{SECRET}",
        f"whsec_{SECRET}",
        f"whsec_{SECRET}+/=",
        f"key sk-{SECRET}, refused",
        f"Authorization: Bearer {SECRET}",
        f"authorization: bearer {SECRET}",
        f"BEARER {SECRET}",
        f"{{'Authorization': 'Basic {SECRET}'}}",
        f"x-api-key: {SECRET}",
        f"X-Api-Key={SECRET}&x=1",
        f"b'x-api-key: {SECRET}'",
        f'{{"x-api-key": "{SECRET}"}}',
        f"{{'api_key': '{SECRET}'}}",
        f"https://x.example/?api_key={SECRET}",
        f"TOLLHOUSE_SECRET_KEY={SECRET}",
        f"TOLLHOUSE_SECRET_KEY: {SECRET}",
        f"TOLLHOUSE_SECRET_KEY: {SECRET} and more",
        f"TOLLHOUSE_SECRET_KEY: {SECRET.lower()} and more",
        f"client_secret: {SECRET}",
        f"password={SECRET}",
        f"TOLLHOUSE_ADMIN_PASSWORD='{SECRET}'",
        f"redis://:{SECRET}@host:6379/0",
        f"postgresql+psycopg://user:{SECRET}@host/name",
        f"redis://user:{SECRET}@{SECRET}@host",
        f"unix:///run/redis.sock?db=0&password={SECRET}",
        f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ{SECRET}.{SECRET}",
    ],
)
def test_what_looks_like_a_secret_is_in_no_line(log: Log, text: str) -> None:
    logs.event("x", text=text, nested={"in": [text]})
    logs.event(text)
    assert len(log.events) == 2
    assert SECRET.lower() not in log.text.lower()
    assert "***" in log.last["message"]


@pytest.mark.parametrize("name", ["password", "api_key", "authorization", "secret_key"])
def test_a_field_of_a_telling_name_is_masked_and_the_line_stays_json(log: Log, name: str) -> None:
    logs.event("x", **{name: SECRET}, headers={name: f"Bearer {SECRET}"})
    assert SECRET not in log.text
    logs.event("x", **{name: 12345})
    assert log.last[name] == 12345


def test_a_stack_trace_is_masked_too(log: Log) -> None:
    try:
        raise ValueError(f"cannot connect to redis://:{SECRET}@host")
    except ValueError as error:
        logs.event("x", error=error)
    assert SECRET not in log.text


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8000/v1/chat/completions",
        "https://api.openai.com/v1",
        "task-scheduled-for-tomorrow",
        "the password must be longer",
        "a key was sealed under another TOLLHOUSE_SECRET_KEY: set that one, or add the provider anew",
        "key_01jd2x3kq4abcdefgh",
        "bearer of bad news",
        "mail someone@example.com about https://example.com:8443/x",
        "req_01jd2x3kq4abcdefghjkmnpqrs",
    ],
)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert mask(text.encode()) == text.encode()


_PIECES = st.one_of(
    st.text(max_size=5),
    st.sampled_from(
        [
            "sk-",
            "Bearer ",
            "x-api-key",
            "password",
            "://",
            ":",
            "@",
            "=",
            '"',
            "'",
            "\\",
            "eyJ",
            ".",
            "secret",
            " ",
            "{",
            "}",
            "0123456789",
        ]
    ),
)
_TEXTS = st.lists(_PIECES, max_size=12).map("".join)


@given(_TEXTS, st.dictionaries(_TEXTS, st.one_of(_TEXTS, st.integers(-9, 9), st.booleans(), st.none())))
def test_json_stays_json(text: str, fields: dict[str, Any]) -> None:
    line = orjson.dumps({"a": text, "b": fields, "c": [text, 1]})
    assert set(orjson.loads(mask(line))) == {"a", "b", "c"}
