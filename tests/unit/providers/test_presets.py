"""The presets: found by themselves, and what they say of a host."""

import re
from pathlib import Path

import pytest

from tollhouse.domain.routes import Host
from tollhouse.providers.addresses import split_base_url
from tollhouse.providers.base import Preset, Quirks
from tollhouse.providers.registry import preset_at, presets
from tollhouse.providers.upstreams import HttpUpstreams
from tollhouse.settings import Settings

SOURCE = Path(__file__).parents[3] / "src" / "tollhouse" / "providers"
KNOWN = {"azure", "azure-classic", "bedrock", "deepseek", "gemini", "groq", "mistral", "ollama", "openrouter", "vllm"}
GENERAL = {"openai", "anthropic"}


def host(preset: str, url: str) -> Host:
    return Host("prv_1", "acme", preset, url)


@pytest.fixture
def upstreams() -> HttpUpstreams:
    return HttpUpstreams(Settings())


def test_each_preset_is_found_under_its_name() -> None:
    assert presets().keys() == KNOWN | GENERAL | {"local", "echo"}
    assert all(isinstance(preset, Preset) and preset.name == name for name, preset in presets().items())


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_preset_is_a_small_file_of_its_own_name_and_holds_only_data(name: str) -> None:
    text = (SOURCE / f"{name.replace('-', '_')}.py").read_text()
    assert len(text.splitlines()) < 60
    assert not re.search(r"^\s*(def|class|if|for) ", text, re.MULTILINE)
    assert set(re.findall(r"^from (\S+)", text, re.MULTILINE)) == {"tollhouse.providers.base"}


@pytest.mark.parametrize("name", sorted(presets().keys() - {"echo"}))
def test_a_preset_can_be_called_with_and_without_the_suffixes_that_hosts_are_written_with(name: str) -> None:
    preset = presets()[name]
    assert split_base_url(preset.default_base_url)
    for path in (*preset.paths.values(), preset.models_path):
        assert re.fullmatch(r"/[a-z0-9/{}_.-]*(\?[a-z0-9=&-]+)?", path.replace("{model}", "m")), path
    for suffix in ("", *preset.redundant_suffixes):
        assert preset.prefix_of(suffix) == ""
        assert preset.prefix_of("/own" + suffix) == "/own"


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_one_domain_has_one_preset(name: str) -> None:
    for domain in presets()[name].domains:
        example = domain.replace("*", "eu-west-1")
        assert [one.name for one in presets().values() if one.is_home_of(example)] == [name]


@pytest.mark.parametrize(
    ("preset", "url", "formats"),
    [
        ("anthropic", "https://api.anthropic.com", {"messages", "count_tokens"}),
        ("local", "http://127.0.0.1:1", {"chat", "messages", "embeddings", "count_tokens"}),
        # Where a host counts no tokens, they are estimated here.
        ("echo", "echo:", {"chat", "messages", "embeddings", "count_tokens"}),
        ("deepseek", "https://api.deepseek.com", {"chat", "messages", "count_tokens"}),
        ("unknown", "https://example.com", set()),
    ],
)
def test_a_preset_says_which_formats_its_hosts_speak(
    preset: str, url: str, formats: set[str], upstreams: HttpUpstreams
) -> None:
    assert upstreams.formats(host(preset, url)) == formats


@pytest.mark.parametrize(
    ("url", "more", "less"),
    [
        (
            "https://api.openai.com/v1",
            {"chat", "embeddings", "responses", "completions", "images", "speech"},
            {"rerank"},
        ),
        ("https://api.example.com/v1", {"chat", "embeddings", "images", "rerank"}, {"responses", "completions"}),
    ],
)
def test_of_a_host_that_nobody_knows_only_that_is_asked_which_chat_cannot_stand_in_for(
    url: str, more: set[str], less: set[str], upstreams: HttpUpstreams
) -> None:
    formats = upstreams.formats(host("openai", url))
    assert more <= formats
    assert not less & formats


@pytest.mark.parametrize(
    ("url", "field", "vendor"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens", "openai"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens", "openai"),
        ("https://api.openai.com.evil.example/v1", "max_tokens", None),
        ("https://notapi.openai.com/v1", "max_tokens", None),
        ("https://api.example.com/openai/v1", "max_tokens", None),
        ("echo:", "max_tokens", None),
    ],
)
def test_openais_own_host_differs_from_those_that_are_compatible(
    url: str, field: str, vendor: str | None, upstreams: HttpUpstreams
) -> None:
    assert upstreams.manners(host("openai", url)).output_cap_field == field
    assert upstreams.vendor(host("openai", url)) == vendor


@pytest.mark.parametrize(
    ("given", "url", "found"),
    [
        ("openai", "https://api.groq.com/openai/v1", "groq"),
        ("openai", "https://api.groq.com/openai/v1/", "groq"),
        ("openai", "https://api.mistral.ai/v1", "mistral"),
        ("openai", "https://acme.openai.azure.com", "azure"),
        ("openai", "https://acme.openai.azure.com/openai/v1", "azure"),
        ("openai", "https://generativelanguage.googleapis.com/v1beta/openai", "gemini"),
        ("openai", "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1", "bedrock"),
        ("openai", "https://bedrock-mantle.eu-west-1.api.aws/v1", "bedrock"),
        ("anthropic", "https://bedrock-runtime.us-east-1.amazonaws.com/anthropic", "bedrock"),
        ("openai", "https://api.deepseek.com", "deepseek"),
        ("openai", "https://api.deepseek.com/v1", "deepseek"),
        ("anthropic", "https://api.deepseek.com/anthropic", "deepseek"),
        ("openai", "https://openrouter.ai/api/v1", "openrouter"),
        ("anthropic", "https://openrouter.ai/api", "openrouter"),
        ("openai", "https://eu.openrouter.ai/api/v1", "openrouter"),
        ("openai", "https://ollama.com/v1", "ollama"),
        # A path of somebody's own, a host that only looks like it, a preset that was chosen.
        ("openai", "https://api.groq.com/mine/v9", "openai"),
        ("openai", "https://acme.openai.azure.com/openai/deployments/gpt", "openai"),
        ("openai", "https://api.groq.com.evil.example/openai/v1", "openai"),
        ("openai", "https://my-balancer.eu-west-1.elb.amazonaws.com/v1", "openai"),
        ("vllm", "https://api.groq.com/openai/v1", "vllm"),
        ("azure-classic", "https://acme.openai.azure.com", "azure-classic"),
        ("openai", "not a url", "openai"),
        ("openai", "http://10.0.0.5:8000/v1", "openai"),
    ],
)
def test_a_known_host_is_found_by_its_domain_whatever_it_was_added_as(given: str, url: str, found: str) -> None:
    preset = preset_at(given, url)
    assert preset is not None
    assert preset.name == found


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_whoever_bills_is_in_the_price_list(name: str) -> None:
    from genai_prices.data_snapshot import get_snapshot

    vendor = presets()[name].vendor
    assert vendor is None or vendor in {one.id for one in get_snapshot().providers}


def test_a_host_that_refuses_the_field_is_not_asked_for_the_usage(upstreams: HttpUpstreams) -> None:
    assert not upstreams.manners(host("openai", "https://api.mistral.ai/v1")).takes_stream_options
    assert upstreams.manners(host("openai", "https://api.example.com/v1")).takes_stream_options


def test_what_a_host_refuses_is_known_by_its_domain(upstreams: HttpUpstreams) -> None:
    openai = upstreams.manners(host("openai", "https://api.openai.com/v1"))
    assert (openai.refuses, openai.breakpoints) == ({"cache_control"}, True)
    mistral = upstreams.manners(host("openai", "https://api.mistral.ai/v1"))
    assert {"user", "cache_control", "seed"} <= mistral.refuses
    assert not mistral.breakpoints
    for url in ("https://api.example.com/v1", "https://openrouter.ai/api/v1", "https://api.deepseek.com"):
        assert upstreams.manners(host("openai", url)).refuses == frozenset()


def test_bedrocks_two_hosts_have_their_own_paths(upstreams: HttpUpstreams) -> None:
    bedrock = presets()["bedrock"]
    assert bedrock.paths_at("bedrock-runtime.eu-west-1.amazonaws.com")["chat"] == "/openai/v1/chat/completions"
    assert bedrock.paths_at("bedrock-mantle.eu-west-1.api.aws")["chat"] == "/v1/chat/completions"
    assert bedrock.models_path_at("bedrock-mantle.eu-west-1.api.aws") == "/v1/models"


def test_quirks_hold_for_a_domain_and_override_one_field_at_a_time() -> None:
    preset = Preset("p", {"chat": "/c"}, "", "", vendor="all", quirks={"a.example": Quirks(output_cap_field="cap")})
    assert preset.vendor_at("a.example") == "all"
    assert preset.output_cap_field_at("b.a.example") == "cap"
    assert preset.output_cap_field_at("xa.example") == "max_tokens"
    assert preset.paths_at("a.example") == {"chat": "/c"}


def test_a_star_in_a_domain_is_one_label() -> None:
    preset = Preset("p", {}, "", "", domains=("a.*.example.com",))
    assert preset.is_home_of("a.b.example.com")
    assert preset.is_home_of("z.a.b.example.com.")
    assert not preset.is_home_of("a.example.com")
    assert not preset.is_home_of("a.b.c.example.com")
