"""Azure OpenAI and Foundry by their v1 API, which needs no version and takes the deployment as the model.

https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle
"""

from tollhouse.providers.base import Preset

PRESET = Preset(
    name="azure",
    paths={
        "chat": "/openai/v1/chat/completions",
        "responses": "/openai/v1/responses",
        "completions": "/openai/v1/completions",
        "embeddings": "/openai/v1/embeddings",
        "images": "/openai/v1/images/generations",
        "image_edits": "/openai/v1/images/edits",
        "speech": "/openai/v1/audio/speech",
        "transcriptions": "/openai/v1/audio/transcriptions",
        "translations": "/openai/v1/audio/translations",
    },
    models_path="/openai/v1/models",
    default_base_url="https://RESOURCE.openai.azure.com",
    credential_header="api-key",
    redundant_suffixes=("/openai/v1",),
    output_cap_field="max_completion_tokens",
    encrypts_thoughts=True,
    refuses=frozenset({"cache_control"}),
    vendor="azure",
    domains=("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"),
)
