"""Errors in both dialects, as the vendors' own SDKs read them. Nothing leaves the process: the transport answers."""

import json
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tollhouse.domain.errors import (
    BudgetExceeded,
    Forbidden,
    InvalidField,
    InvalidKey,
    LedgerUnavailable,
    TollhouseError,
    TooLarge,
    UnknownModel,
    UpstreamGone,
    UpstreamRejected,
    UpstreamTimeout,
)
from tollhouse.wire.dialects import error_body, error_event, status_of

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
OPENAI_BEGINNING = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[]}\n\n'
ANTHROPIC_BEGINNING = b'event: ping\ndata: {"type": "ping"}\n\n'


def http_client(status: int, content: bytes, content_type: str) -> httpx2.Client:
    headers = {"content-type": content_type, "x-should-retry": "false"}
    answer = httpx2.MockTransport(lambda request: httpx2.Response(status, content=content, headers=headers))
    return httpx2.Client(transport=answer)


def ask_openai(error: TollhouseError) -> openai.APIStatusError:
    content = json.dumps(error_body(error, "openai", "req_1")).encode()
    with http_client(status_of(error, "openai"), content, "application/json") as http:
        client = openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=http)
        with pytest.raises(openai.APIStatusError) as raised:
            client.chat.completions.create(**CHAT)
    return raised.value


def ask_anthropic(error: TollhouseError) -> anthropic.APIStatusError:
    content = json.dumps(error_body(error, "anthropic", "req_1")).encode()
    with http_client(status_of(error, "anthropic"), content, "application/json") as http:
        client = anthropic.Anthropic(api_key="k", base_url="http://gateway", http_client=http)
        with pytest.raises(anthropic.APIStatusError) as raised:
            client.messages.create(max_tokens=5, **CHAT)
    return raised.value


@pytest.mark.parametrize(
    ("error", "raised", "kind", "code"),
    [
        (InvalidField("n: x.", param="n"), openai.BadRequestError, "invalid_request_error", "invalid_value"),
        (InvalidKey("No."), openai.AuthenticationError, "authentication_error", "invalid_api_key"),
        (Forbidden("No."), openai.PermissionDeniedError, "permission_error", "forbidden"),
        (UnknownModel("m", []), openai.NotFoundError, "invalid_request_error", "model_not_found"),
        (TooLarge("No."), openai.APIStatusError, "invalid_request_error", "request_too_large"),
        (BudgetExceeded("Spent."), openai.RateLimitError, "insufficient_quota", "insufficient_quota"),
        (UpstreamRejected("x", status=429), openai.RateLimitError, "rate_limit_error", "upstream_rejected"),
        (LedgerUnavailable("Later."), openai.InternalServerError, "api_error", "ledger_unavailable"),
        (UpstreamTimeout("Slow."), openai.InternalServerError, "api_error", "upstream_timeout"),
    ],
)
def test_openais_sdk_raises_what_each_error_is(
    error: TollhouseError, raised: type[openai.APIStatusError], kind: str, code: str
) -> None:
    seen = ask_openai(error)
    assert isinstance(seen, raised)
    assert (seen.status_code, seen.type, seen.code, seen.param) == (error.status, kind, code, error.param)
    assert error.message in seen.message


@pytest.mark.parametrize(
    ("error", "status", "raised", "kind"),
    [
        (InvalidField("n: x."), 400, anthropic.BadRequestError, "invalid_request_error"),
        (InvalidKey("No."), 401, anthropic.AuthenticationError, "authentication_error"),
        (BudgetExceeded("Spent."), 402, anthropic.APIStatusError, "billing_error"),
        (Forbidden("No."), 403, anthropic.PermissionDeniedError, "permission_error"),
        (UnknownModel("m", []), 404, anthropic.NotFoundError, "not_found_error"),
        (TooLarge("No."), 413, anthropic.APIStatusError, "request_too_large"),
        (UpstreamRejected("x", status=429), 429, anthropic.RateLimitError, "rate_limit_error"),
        (LedgerUnavailable("Later."), 503, anthropic.APIStatusError, "api_error"),
        (UpstreamTimeout("Slow."), 504, anthropic.APIStatusError, "timeout_error"),
        (UpstreamRejected("x", status=529), 529, anthropic.APIStatusError, "overloaded_error"),
    ],
)
def test_anthropics_sdk_raises_what_each_error_is(
    error: TollhouseError, status: int, raised: type[anthropic.APIStatusError], kind: str
) -> None:
    seen = ask_anthropic(error)
    assert isinstance(seen, raised)
    assert seen.status_code == status
    expected = {"type": "error", "error": {"type": kind, "message": error.message}, "request_id": "req_1"}
    assert seen.body == expected


def test_openais_sdk_raises_for_the_event_that_breaks_a_stream_off() -> None:
    error = UpstreamGone('It said "no"\nand left.')
    content = OPENAI_BEGINNING + error_event(error, "openai", "req_1")
    with http_client(200, content, "text/event-stream") as http:
        client = openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=http)
        stream = client.chat.completions.create(stream=True, **CHAT)
        assert next(stream).id == "c"
        with pytest.raises(openai.APIError, match="and left") as raised:
            next(stream)
    assert (raised.value.message, raised.value.code, raised.value.type) == (error.message, "upstream_gone", "api_error")


def test_anthropics_sdk_raises_for_the_event_that_breaks_a_stream_off() -> None:
    error = UpstreamGone('It said "no"\nand left.')
    content = ANTHROPIC_BEGINNING + error_event(error, "anthropic", "req_1")
    with http_client(200, content, "text/event-stream") as http:
        client = anthropic.Anthropic(api_key="k", base_url="http://gateway", http_client=http)
        stream = client.messages.create(max_tokens=5, stream=True, **CHAT)
        with pytest.raises(anthropic.APIStatusError) as raised:
            list(stream)
    assert raised.value.body == error_body(error, "anthropic", "req_1")


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_an_error_event_is_one_event_whatever_the_message_has_in_it(dialect: str) -> None:
    event = error_event(UpstreamGone("line\n\ndata: [DONE]\r\n\r\n"), dialect, "req_1")
    assert event.count(b"\n\n") == 1
    assert event.endswith(b"\n\n")
    assert b"\r" not in event
