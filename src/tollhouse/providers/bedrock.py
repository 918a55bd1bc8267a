"""Amazon Bedrock with a Bedrock API key: OpenAI's formats, and Anthropic's own for Claude.

What needs requests signed by AWS, or answers in its binary event stream (Converse, InvokeModel), is not here.
https://docs.aws.amazon.com/bedrock/latest/userguide/apis.html
"""

from tollhouse.providers.base import Preset, Quirks

PRESET = Preset(
    name="bedrock",
    paths={
        "chat": "/openai/v1/chat/completions",
        "responses": "/openai/v1/responses",
        "messages": "/anthropic/v1/messages",
    },
    models_path="/openai/v1/models",
    default_base_url="https://bedrock-runtime.REGION.amazonaws.com",
    redundant_suffixes=("/openai/v1", "/anthropic/v1", "/anthropic", "/v1"),
    output_cap_field="max_completion_tokens",
    vendor="aws",
    domains=("bedrock-runtime.*.amazonaws.com", "bedrock-mantle.*.api.aws"),
    quirks={
        "bedrock-mantle.*.api.aws": Quirks(
            paths={
                "chat": "/v1/chat/completions",
                "responses": "/v1/responses",
                "messages": "/anthropic/v1/messages",
            },
            models_path="/v1/models",
        )
    },
)
