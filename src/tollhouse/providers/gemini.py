"""Gemini by its OpenAI-compatible API. https://ai.google.dev/gemini-api/docs/openai"""

from tollhouse.providers.base import Preset

PRESET = Preset(
    name="gemini",
    paths={
        "chat": "/v1beta/openai/chat/completions",
        "embeddings": "/v1beta/openai/embeddings",
        "images": "/v1beta/openai/images/generations",
    },
    models_path="/v1beta/openai/models",
    default_base_url="https://generativelanguage.googleapis.com/v1beta/openai",
    redundant_suffixes=("/v1beta/openai", "/v1beta"),
    # Names that it does not know are refused. It caches by itself.
    refuses=frozenset({"cache_control"}),
    vendor="google",
    domains=("generativelanguage.googleapis.com",),
)
