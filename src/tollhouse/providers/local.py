"""The small model that `tollhouse up` serves itself: llama.cpp's own server."""

from tollhouse.providers.base import Preset

PRESET = Preset(
    name="local",
    # Its completions stay unnamed: they begin a stream with `data: null` and have the probabilities of chat. Over chat
    # they are what they should be.
    paths={
        "chat": "/v1/chat/completions",
        "messages": "/v1/messages",
        "count_tokens": "/v1/messages/count_tokens",
        "embeddings": "/v1/embeddings",
    },
    models_path="/v1/models",
    default_base_url="http://127.0.0.1:8080",
)
