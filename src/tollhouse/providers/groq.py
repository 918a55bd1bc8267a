"""Groq. https://console.groq.com/docs/api-reference"""

from tollhouse.providers.base import Preset

PRESET = Preset(
    name="groq",
    paths={
        "chat": "/openai/v1/chat/completions",
        "responses": "/openai/v1/responses",
        "speech": "/openai/v1/audio/speech",
        "transcriptions": "/openai/v1/audio/transcriptions",
        "translations": "/openai/v1/audio/translations",
    },
    models_path="/openai/v1/models",
    default_base_url="https://api.groq.com/openai/v1",
    redundant_suffixes=("/openai/v1", "/openai"),
    output_cap_field="max_completion_tokens",
    # https://console.groq.com/docs/openai. It caches by itself, and refuses properties that it does not know.
    refuses=frozenset({"cache_control", "logit_bias", "logprobs", "top_logprobs"}),
    vendor="groq",
    domains=("api.groq.com",),
)
