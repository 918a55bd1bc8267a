"""Anthropic, and every host that is compatible with it. The base URL has no version, as in its SDK."""

from tollhouse.providers.base import Preset, Quirks

PRESET = Preset(
    name="anthropic",
    paths={"messages": "/v1/messages", "count_tokens": "/v1/messages/count_tokens"},
    # One page, as long as the API allows. https://docs.anthropic.com/en/api/models-list
    models_path="/v1/models?limit=1000",
    default_base_url="https://api.anthropic.com",
    credential_header="x-api-key",
    headers={"anthropic-version": "2023-06-01"},
    redundant_suffixes=("/v1",),
    yields=True,
    batches="anthropic",
    quirks={"api.anthropic.com": Quirks(vendor="anthropic")},
)
