"""OpenRouter. https://openrouter.ai/docs/api-reference/overview"""

from tollhouse.providers.base import Preset

PRESET = Preset(
    name="openrouter",
    paths={
        "chat": "/api/v1/chat/completions",
        "responses": "/api/v1/responses",
        "messages": "/api/v1/messages",
        "completions": "/api/v1/completions",
        "embeddings": "/api/v1/embeddings",
    },
    models_path="/api/v1/models",
    default_base_url="https://openrouter.ai/api/v1",
    redundant_suffixes=("/api/v1", "/api"),
    vendor="openrouter",
    domains=("openrouter.ai",),
)
