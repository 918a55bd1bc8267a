"""Ollama, on a machine of one's own or in its cloud. https://docs.ollama.com/api/openai-compatibility"""

from tollhouse.providers.base import Preset

PRESET = Preset(
    name="ollama",
    paths={
        "chat": "/v1/chat/completions",
        "completions": "/v1/completions",
        "responses": "/v1/responses",
        "messages": "/v1/messages",
        "embeddings": "/v1/embeddings",
    },
    models_path="/v1/models",
    default_base_url="http://localhost:11434/v1",
    redundant_suffixes=("/v1",),
    domains=("ollama.com",),
)
