"""The small model that `tollhouse up` serves itself: llama.cpp's own server."""

from tollhouse.providers.base import Preset

PRESET = Preset(
    name="local",
    paths={"chat": "/v1/chat/completions", "messages": "/v1/messages", "embeddings": "/v1/embeddings"},
    models_path="/v1/models",
    default_base_url="http://127.0.0.1:8080",
)
