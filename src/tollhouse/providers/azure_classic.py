"""Azure OpenAI by its older API: the deployment in the path, and a dated version, the last of that kind.

https://learn.microsoft.com/azure/ai-services/openai/reference
"""

from tollhouse.providers.base import Preset

_AT = "/openai/deployments/{model}/"
_VERSION = "?api-version=2024-10-21"

PRESET = Preset(
    name="azure-classic",
    paths={
        "chat": f"{_AT}chat/completions{_VERSION}",
        "completions": f"{_AT}completions{_VERSION}",
        "embeddings": f"{_AT}embeddings{_VERSION}",
        "images": f"{_AT}images/generations{_VERSION}",
        "transcriptions": f"{_AT}audio/transcriptions{_VERSION}",
        "translations": f"{_AT}audio/translations{_VERSION}",
    },
    models_path=f"/openai/models{_VERSION}",
    default_base_url="https://RESOURCE.openai.azure.com",
    credential_header="api-key",
    redundant_suffixes=("/openai",),
    output_cap_field="max_completion_tokens",
    vendor="azure",
)
