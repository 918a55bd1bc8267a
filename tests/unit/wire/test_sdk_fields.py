"""Every field that the vendors' own SDKs can send is carried by a translation, refused by name, or told as dropped."""

import re
from collections.abc import Mapping
from typing import Any, get_type_hints

import anthropic.types.beta.message_create_params as beta_messages
import anthropic.types.message_create_params as messages
import openai.types.chat.completion_create_params as chat
import openai.types.completion_create_params as completions
import openai.types.responses.response_create_params as responses
import pytest

from tollhouse.domain.errors import BadRequest
from tollhouse.wire import PAIRS
from tollhouse.wire.pair import Pair, Translated

TYPES: Mapping[str, tuple[type[Any], ...]] = {
    "chat": (chat.CompletionCreateParamsBase, chat.CompletionCreateParamsStreaming),
    "completions": (completions.CompletionCreateParamsBase, completions.CompletionCreateParamsStreaming),
    "responses": (responses.ResponseCreateParamsBase, responses.ResponseCreateParamsStreaming),
    "messages": (messages.MessageCreateParamsBase, beta_messages.MessageCreateParamsBase),
}
TOOL: Mapping[str, Any] = {
    "chat": {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
    "responses": {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": None},
    "messages": {"name": "f", "input_schema": {"type": "object"}},
}
HI = {"role": "user", "content": "Hi"}
LEAST: Mapping[str, dict[str, Any]] = {
    "chat": {"model": "m", "messages": [HI]},
    "completions": {"model": "m", "prompt": "Hi"},
    "responses": {"model": "m", "input": "Hi"},
    "messages": {"model": "m", "messages": [HI], "max_tokens": 9000},
}
VALUES: Mapping[str, Any] = {
    "audio": {"voice": "alloy", "format": "mp3"},
    "background": True,
    "best_of": 3,
    "cache_control": {"type": "ephemeral"},
    "context_management": {"edits": [{"type": "x"}]},
    "conversation": "conv_1",
    "echo": True,
    "frequency_penalty": 1,
    "include": ["message.output_text.logprobs"],
    "input": "Bye",
    "logit_bias": {"7": 1},
    "logprobs": True,
    "max_completion_tokens": 7,
    "max_output_tokens": 7,
    "max_tokens": 7,
    "messages": [{"role": "user", "content": "Bye"}],
    "metadata": {"user_id": "u"},
    "modalities": ["audio"],
    "n": 3,
    "output_config": {"effort": "low"},
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "x"},
    "presence_penalty": 1,
    "prompt_cache_options": {"mode": "explicit"},
    "reasoning": {"effort": "low"},
    "reasoning_effort": "low",
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    "seed": 7,
    "service_tier": "priority",
    "stop": ["x"],
    "stop_sequences": ["x"],
    "store": True,
    "stream": True,
    "stream_options": {"include_obfuscation": True},
    "temperature": 0.5,
    "text": {"verbosity": "low"},
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "thread": {"type": "continue", "id": "thread_1"},
    "top_k": 7,
    "top_logprobs": 3,
    "top_p": 0.5,
    "truncation": "auto",
    "web_search_options": {"search_context_size": "low"},
}
"""What asks for something; for all others a word."""

NOT_THE_HOSTS: Mapping[str, frozenset[str]] = {
    "chat": frozenset({"stream_options"}),
    "completions": frozenset({"echo", "stream_options"}),
    # Echoed in the reply, kept here, or refused before any translation; and a cap on tools that are all the caller's.
    "responses": frozenset(
        {"background", "conversation", "max_tool_calls", "metadata", "previous_response_id", "store"}
    ),
    "messages": frozenset({"betas"}),
}
"""Fields that the gateway does itself, or that are headers: no host need hear of them."""

CASES = [
    (client, host, field)
    for client, host in PAIRS
    if client != host
    for field in sorted({field for kind in TYPES[client] for field in get_type_hints(kind)})
    if field not in NOT_THE_HOSTS[client]
]


def asked(client: str, field: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A request without the field, and one with it."""
    without = dict(LEAST[client])
    if field in ("tool_choice", "parallel_tool_calls"):
        without["tools"] = [TOOL[client]]
    if field == "stream_options":
        without["stream"] = True
    if field == "top_logprobs" and client == "chat":
        without["logprobs"] = True
    values = {**VALUES, "tools": [TOOL.get(client)], "functions": [{"name": "f", "parameters": {}}]}
    values |= {"tool_choice": {"type": "any"} if client == "messages" else "required"}
    values |= {"logprobs": 3} if client == "completions" else {}
    values |= {"service_tier": "standard_only"} if client == "messages" else {}
    return without, {**without, field: values.get(field, "x")}


def outcome(pair: Pair, body: dict[str, Any]) -> tuple[Translated | None, str]:
    """What is sent, or the field that is refused."""
    try:
        return pair.request(body), ""
    except BadRequest as error:
        return None, error.param or ""


@pytest.mark.parametrize(("client", "host", "field"), CASES)
def test_no_field_is_lost_without_a_word(client: str, host: str, field: str) -> None:
    pair = PAIRS[client, host]
    without, body = asked(client, field)
    before, (after, named) = pair.request(without), outcome(pair, body)
    if after is None:
        assert re.split(r"[.\[]", named)[0] == field, "refused under another name"
        return
    dropped = set(after.dropped) - set(before.dropped)
    assert after.body != before.body or dropped, "silently lost"
    declared = {loss.field for loss in pair.losses}
    assert dropped <= declared, "lost, and no line in the table"


@pytest.mark.parametrize(("client", "host"), [pair for pair in PAIRS if pair[0] != pair[1]])
@pytest.mark.parametrize("field", ["container", "conversation", "previous_response_id", "thread"])
def test_a_field_that_names_state_of_another_vendors_is_refused(client: str, host: str, field: str) -> None:
    """Without it, the call would mean something else; and many hosts ignore what they do not know."""
    if client == "responses" and field in ("conversation", "previous_response_id"):
        return  # its own, and what they stand for has been put in their place
    with pytest.raises(BadRequest) as refused:
        PAIRS[client, host].request({**LEAST[client], field: VALUES.get(field, "x_1")})
    assert refused.value.param == field
