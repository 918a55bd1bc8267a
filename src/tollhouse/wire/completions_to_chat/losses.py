"""What a Completions request can say and a chat host cannot be told, or would answer in words that have no place."""

from collections.abc import Mapping

from tollhouse.wire.pair import Loss

CHATS_OWN: Mapping[str, str] = dict.fromkeys(
    (
        "audio",
        "function_call",
        "functions",
        "messages",
        "modalities",
        "parallel_tool_calls",
        "tool_choice",
        "tools",
        "top_logprobs",
        "web_search_options",
    ),
    "A field of chat, whose answer has no place in a completion; completions have no such field.",
)
"""Fields of chat that no completion has. All other fields that nobody here knows go on: hosts of both formats share
the names of their own settings (`top_k`, `min_p`)."""

LOSSES: tuple[Loss, ...] = (
    Loss("best_of", "Chat picks no best of several; as many as `n` says are made and shown."),
    *(Loss(field, why) for field, why in CHATS_OWN.items()),
    Loss(
        "max_tokens",
        "Sent as it is. One that is left out stays with the host, whose default is seldom the 16 of the format's own.",
    ),
    Loss("logit_bias", "Where the host has no such field."),
    Loss("logprobs", "Where the host tells no probabilities."),
    *(Loss(field, "Where the host has no such field.") for field in ("seed", "user")),
    Loss("reply: choices[].message.reasoning_content", "Thoughts have no place in a completion."),
    Loss("reply: choices[].logprobs.content[].bytes", "Completions tell tokens as texts alone."),
)
