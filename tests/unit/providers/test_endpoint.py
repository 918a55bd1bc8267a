"""The head of a request: path, credential, and headers by policy."""

import pytest

from tollhouse.domain.errors import InvalidField, UpstreamRefused
from tollhouse.domain.ports import Outgoing
from tollhouse.domain.routes import Host
from tollhouse.providers.endpoint import Endpoint
from tollhouse.providers.headers import returned
from tollhouse.providers.registry import preset_at

KEY = "sk-canary-0123456789"


def head(preset: str, url: str, spoken: str = "chat", model: str = "m", **headers: str) -> tuple[str, dict[str, str]]:
    """The request line, and the headers."""
    found = preset_at(preset, url)
    assert found is not None
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    text = Endpoint(Host("prv_1", "acme", preset, url, KEY), found).head(Outgoing(spoken, b"{}", given, False), model)
    line, *rest = text.decode().removesuffix("\r\n\r\n").split("\r\n")
    sent = {name: value for name, _, value in (one.partition(": ") for one in rest)}
    assert len(sent) == len(rest)
    return line, sent


@pytest.mark.parametrize(
    ("preset", "url", "spoken", "path", "credential"),
    [
        ("azure", "https://r.openai.azure.com", "chat", "/openai/v1/chat/completions", "api-key"),
        ("azure", "https://r.openai.azure.com/openai/v1/", "responses", "/openai/v1/responses", "api-key"),
        (
            "azure-classic",
            "https://r.openai.azure.com/openai",
            "chat",
            "/openai/deployments/m/chat/completions?api-version=2024-10-21",
            "api-key",
        ),
        ("openai", "https://api.groq.com/openai/v1", "chat", "/openai/v1/chat/completions", "authorization"),
        ("groq", "https://api.groq.com", "chat", "/openai/v1/chat/completions", "authorization"),
        (
            "gemini",
            "https://generativelanguage.googleapis.com",
            "chat",
            "/v1beta/openai/chat/completions",
            "authorization",
        ),
        ("anthropic", "https://api.deepseek.com/anthropic", "messages", "/anthropic/v1/messages", "x-api-key"),
        ("anthropic", "https://api.deepseek.com/anthropic", "chat", "/chat/completions", "authorization"),
        ("openrouter", "https://openrouter.ai/api/v1", "messages", "/api/v1/messages", "authorization"),
        (
            "bedrock",
            "https://bedrock-runtime.us-east-1.amazonaws.com",
            "messages",
            "/anthropic/v1/messages",
            "authorization",
        ),
        ("vllm", "http://10.0.0.5:8000", "count_tokens", "/v1/messages/count_tokens", "authorization"),
        ("vllm", "http://10.0.0.5:8000/team-a/v1", "chat", "/team-a/v1/chat/completions", "authorization"),
        ("ollama", "http://localhost:11434/v1", "messages", "/v1/messages", "authorization"),
        ("anthropic", "https://api.anthropic.com/v1", "count_tokens", "/v1/messages/count_tokens", "x-api-key"),
        ("openai", "https://api.openai.com/v1", "completions", "/v1/completions", "authorization"),
    ],
)
def test_each_format_is_asked_for_at_its_path_with_the_key_where_the_host_wants_it(
    preset: str, url: str, spoken: str, path: str, credential: str
) -> None:
    line, headers = head(preset, url, spoken)
    assert line == f"POST {path} HTTP/1.1"
    assert KEY in headers[credential]
    assert [name for name, value in headers.items() if KEY in value] == [credential]


@pytest.mark.parametrize(
    ("model", "segment"),
    [
        ("gpt-4o", "gpt-4o"),
        ("my model", "my%20model"),
        ("a/b", "a%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("../../admin", "..%2F..%2Fadmin"),
        ("x\r\nhost: evil", "x%0D%0Ahost%3A%20evil"),
        ("é", "%C3%A9"),
        ("{model}", "%7Bmodel%7D"),
    ],
)
def test_a_model_in_the_path_is_one_segment_of_it(model: str, segment: str) -> None:
    line, _ = head("azure-classic", "https://r.openai.azure.com", model=model)
    assert line == f"POST /openai/deployments/{segment}/chat/completions?api-version=2024-10-21 HTTP/1.1"


@pytest.mark.parametrize("model", ["", ".", ".."])
def test_a_model_that_could_not_stay_in_the_path_is_refused(model: str) -> None:
    with pytest.raises(UpstreamRefused, match="takes the model in its path"):
        head("azure-classic", "https://r.openai.azure.com", model=model)


CALLERS = {
    "anthropic_version": "2024-01-01",
    "Anthropic_Beta": "a,b",
    "OpenAI_Beta": "responses=v1",
    "OpenAI_Organization": "org-1",
    "openai_project": "proj-1",
    "authorization": "Bearer theirs",
    "x_api_key": "theirs",
    "api_key": "theirs",
    "cookie": "a=b",
    "x_forwarded_for": "10.0.0.1",
    "x_stainless_lang": "python",
    "user_agent": "theirs",
    "host": "evil.example",
    "content_length": "1",
    "idempotency_key": "1",
}


@pytest.mark.parametrize(
    ("preset", "url", "spoken", "goes_on"),
    [
        (
            "anthropic",
            "https://api.anthropic.com",
            "messages",
            {"anthropic-version": "2024-01-01", "anthropic-beta": "a,b"},
        ),
        (
            "deepseek",
            "https://api.deepseek.com",
            "messages",
            {"anthropic-version": "2024-01-01", "anthropic-beta": "a,b"},
        ),
        ("vllm", "http://h.example", "count_tokens", {"anthropic-version": "2024-01-01", "anthropic-beta": "a,b"}),
        ("deepseek", "https://api.deepseek.com", "chat", {"openai-beta": "responses=v1"}),
        ("openai", "https://api.openai.com/v1", "responses", {"openai-beta": "responses=v1"}),
        ("openai", "https://api.openai.com/v1", "embeddings", {}),
    ],
)
def test_of_a_callers_headers_those_of_the_format_go_on_and_no_others(
    preset: str, url: str, spoken: str, goes_on: dict[str, str]
) -> None:
    _, without = head(preset, url, spoken)
    _, headers = head(preset, url, spoken, **CALLERS)
    assert headers == {**without, **goes_on}


def test_whoever_names_no_version_of_messages_gets_one_and_chat_has_none() -> None:
    assert head("openrouter", "https://openrouter.ai/api/v1", "messages")[1]["anthropic-version"] == "2023-06-01"
    assert "anthropic-version" not in head("openrouter", "https://openrouter.ai/api/v1", "chat")[1]


def test_a_callers_header_that_is_more_than_one_line_is_refused() -> None:
    with pytest.raises(InvalidField, match="openai-beta"):
        head("openai", "https://api.openai.com/v1", openai_beta="a\r\nx: y")


@pytest.mark.parametrize(
    ("headers", "id"),
    [
        ({"request-id": "req_1"}, "req_1"),
        ({"x-request-id": "a", "apim-request-id": "b"}, "b"),
        ({"x-amzn-requestid": "c"}, "c"),
        ({"x-request-id": "x" * 201, "x-generation-id": "gen-1"}, "gen-1"),
    ],
)
def test_the_hosts_own_name_for_the_request_comes_back(headers: dict[str, str], id: str) -> None:
    assert returned(headers) == {"x-tollhouse-upstream-request-id": id}


def test_nothing_else_of_an_answer_comes_back() -> None:
    secrets = {
        "set-cookie": "a=b",
        "openai-organization": "org-1",
        "anthropic-organization-id": "org-2",
        "x-ratelimit-remaining-requests": "9",
        "anthropic-ratelimit-requests-remaining": "9",
        "server": "cloudflare",
        "x-request-id": "a\tb",
        "location": "http://10.0.0.1",
    }
    assert returned(secrets) == {}
