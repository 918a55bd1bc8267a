"""Mistral. It refuses fields that it does not know. https://docs.mistral.ai/api"""

from tollhouse.providers.base import Preset

PRESET = Preset(
    name="mistral",
    paths={
        "chat": "/v1/chat/completions",
        "embeddings": "/v1/embeddings",
        "moderations": "/v1/moderations",
        "transcriptions": "/v1/audio/transcriptions",
    },
    models_path="/v1/models",
    default_base_url="https://api.mistral.ai/v1",
    redundant_suffixes=("/v1",),
    takes_stream_options=False,
    refuses=frozenset(
        {
            *("cache_control", "logit_bias", "logprobs", "prompt_cache_options", "prompt_cache_retention"),
            *("safety_identifier", "seed", "service_tier", "top_logprobs", "user", "verbosity"),
        }
    ),
    vendor="mistral",
    domains=("api.mistral.ai",),
)
