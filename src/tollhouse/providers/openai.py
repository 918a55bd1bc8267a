"""OpenAI, and every host that is compatible with it. The base URL has the version, as OPENAI_BASE_URL."""

from tollhouse.providers.base import Preset, Quirks

# What nothing else can stand in for is asked of any host. Responses and completions are not: over chat,
# which they all speak, those work everywhere.
_COMMON = {
    "chat": "/chat/completions",
    "embeddings": "/embeddings",
    "moderations": "/moderations",
    "images": "/images/generations",
    "image_edits": "/images/edits",
    "image_variations": "/images/variations",
    "speech": "/audio/speech",
    "transcriptions": "/audio/transcriptions",
    "translations": "/audio/translations",
    "rerank": "/rerank",
}

PRESET = Preset(
    name="openai",
    paths=_COMMON,
    models_path="/models",
    default_base_url="https://api.openai.com/v1",
    yields=True,
    batches="openai",
    # OpenAI's own reasoning models refuse `max_tokens`; many compatible hosts know nothing else.
    # https://platform.openai.com/docs/api-reference/chat/create
    quirks={
        "api.openai.com": Quirks(
            vendor="openai",
            output_cap_field="max_completion_tokens",
            encrypts_thoughts=True,
            # https://developers.openai.com/api/docs/guides/prompt-caching
            refuses=frozenset({"cache_control"}),
            breakpoints=True,
            paths={
                **{spoken: path for spoken, path in _COMMON.items() if spoken != "rerank"},
                "responses": "/responses",
                "completions": "/completions",
            },
        )
    },
)
