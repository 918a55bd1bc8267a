"""OpenAI, and every host that is compatible with it. The base URL has the version, as OPENAI_BASE_URL."""

from tollhouse.providers.base import Preset, Quirks

PRESET = Preset(
    name="openai",
    paths={"chat": "/chat/completions", "embeddings": "/embeddings"},
    models_path="/models",
    default_base_url="https://api.openai.com/v1",
    # OpenAI's own reasoning models refuse `max_tokens`; many compatible hosts know nothing else.
    # https://platform.openai.com/docs/api-reference/chat/create
    quirks={"api.openai.com": Quirks(vendor="openai", output_cap_field="max_completion_tokens")},
)
