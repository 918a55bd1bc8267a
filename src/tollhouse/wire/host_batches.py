"""The interfaces of batches that hosts have of their own, by name."""

from collections.abc import Mapping

from tollhouse.wire.anthropic_batch import AnthropicBatches
from tollhouse.wire.host_batch import BatchInterface
from tollhouse.wire.openai_batch import OpenAIBatches

INTERFACES: Mapping[str, BatchInterface] = {one.name: one for one in (OpenAIBatches(), AnthropicBatches())}
