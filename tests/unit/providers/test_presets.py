"""The presets: found by themselves, and what they say of a host."""

import pytest

from tollhouse.domain.routes import Host
from tollhouse.providers.base import Preset, Quirks
from tollhouse.providers.registry import presets
from tollhouse.providers.upstreams import HttpUpstreams
from tollhouse.settings import Settings


def host(preset: str, url: str) -> Host:
    return Host("prv_1", "acme", preset, url)


@pytest.fixture
def upstreams() -> HttpUpstreams:
    return HttpUpstreams(Settings())


def test_each_preset_is_found_under_its_name() -> None:
    assert {"openai", "anthropic", "local", "echo"} <= presets().keys()
    assert all(isinstance(preset, Preset) and preset.name == name for name, preset in presets().items())


@pytest.mark.parametrize(
    ("preset", "url", "formats"),
    [
        ("openai", "https://api.openai.com/v1", {"chat", "embeddings"}),
        ("anthropic", "https://api.anthropic.com", {"messages"}),
        ("local", "http://127.0.0.1:1", {"chat", "messages", "embeddings"}),
        ("echo", "echo:", {"chat", "messages", "embeddings"}),
        ("unknown", "https://example.com", set()),
    ],
)
def test_a_preset_says_which_formats_its_hosts_speak(
    preset: str, url: str, formats: set[str], upstreams: HttpUpstreams
) -> None:
    assert upstreams.formats(host(preset, url)) == formats


@pytest.mark.parametrize(
    ("url", "field", "vendor"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens", "openai"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens", "openai"),
        ("https://api.openai.com.evil.example/v1", "max_tokens", None),
        ("https://notapi.openai.com/v1", "max_tokens", None),
        ("https://api.groq.com/openai/v1", "max_tokens", None),
        ("echo:", "max_tokens", None),
    ],
)
def test_openais_own_host_differs_from_those_that_are_compatible(
    url: str, field: str, vendor: str | None, upstreams: HttpUpstreams
) -> None:
    assert upstreams.output_cap_field(host("openai", url)) == field
    assert upstreams.vendor(host("openai", url)) == vendor


def test_quirks_hold_for_a_domain_and_override_one_field_at_a_time() -> None:
    preset = Preset("p", {}, "", "", vendor="all", quirks={"a.example": Quirks(output_cap_field="cap")})
    assert preset.vendor_at("a.example") == "all"
    assert preset.output_cap_field_at("b.a.example") == "cap"
    assert preset.output_cap_field_at("xa.example") == "max_tokens"
