"""DeepSeek, in OpenAI's format and in Anthropic's. https://api-docs.deepseek.com"""

from tollhouse.providers.base import Preset

PRESET = Preset(
    name="deepseek",
    paths={"chat": "/chat/completions", "messages": "/anthropic/v1/messages"},
    models_path="/models",
    default_base_url="https://api.deepseek.com",
    credential_headers={"messages": "x-api-key"},
    redundant_suffixes=("/anthropic/v1", "/anthropic", "/v1"),
    vendor="deepseek",
    domains=("api.deepseek.com",),
)
