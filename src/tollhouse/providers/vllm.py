"""A vLLM server. What it serves depends on its model. https://docs.vllm.ai/en/stable/serving/online_serving.html"""

from tollhouse.providers.base import Preset

PRESET = Preset(
    name="vllm",
    paths={
        "chat": "/v1/chat/completions",
        "completions": "/v1/completions",
        "responses": "/v1/responses",
        "messages": "/v1/messages",
        "count_tokens": "/v1/messages/count_tokens",
        "embeddings": "/v1/embeddings",
        "transcriptions": "/v1/audio/transcriptions",
        "translations": "/v1/audio/translations",
        "rerank": "/v1/rerank",
    },
    models_path="/v1/models",
    default_base_url="http://localhost:8000/v1",
    redundant_suffixes=("/v1",),
)
