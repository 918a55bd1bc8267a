"""The one call that every contestant serves: a short support dialogue, and what the upstream answers to it."""

import json
from typing import Any

MODEL = "gpt-4o-mini"

REQUEST = {
    "model": MODEL,
    "messages": [
        {
            "role": "system",
            "content": "You answer customers of a bicycle shop. Be brief, friendly and exact. Where you do not know "
            "a price or a date, say so and offer to ask a colleague; never guess. Answer in the customer's language.",
        },
        {"role": "user", "content": "Hello, my rear wheel has had a wobble since I hit a kerb. Can it be mended?"},
        {
            "role": "assistant",
            "content": "I am sorry about your wheel! Most wobbles are a matter of spoke tension, and we true a wheel "
            "while you wait. Is the rim dented, or a spoke broken?",
        },
        {"role": "user", "content": "No dent that I can see, one spoke is loose. What would it take, and how long?"},
    ],
    "max_tokens": 256,
    "temperature": 0.2,
}

ANSWER = (
    "Then it is good news: a loose spoke with an undamaged rim is an easy repair. We would put the wheel on the "
    "stand, bring the loose spoke back to tension, and true the rim sideways and in height, so that the brake pads "
    "no longer touch. That takes about twenty minutes, and you can wait for it. If the spoke turns out to be bent at "
    "the hub, we replace it, which adds ten minutes. I do not have the present price of a truing at hand; I can ask "
    "a colleague and tell you today. Until then, please ride slowly and open the rear brake a little, so that the "
    "rim does not rub. Would tomorrow morning suit you?"
)

COMPLETION = {
    "id": "chatcmpl-Bq7YxR2mT1vKcW9sJ4hLpE8n",
    "object": "chat.completion",
    "created": 1760000000,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": ANSWER, "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 139,
        "completion_tokens": 151,
        "total_tokens": 290,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    },
    "service_tier": "default",
    "system_fingerprint": "fp_560af6e559",
}


def request_body(**changes: Any) -> bytes:
    return json.dumps({**REQUEST, **changes}).encode()


def completion_body() -> bytes:
    return json.dumps(COMPLETION).encode()


def problem(status: int, body: bytes) -> str:
    """What is wrong with an answer to the call; empty where it is right."""
    if status != 200:
        return f"it answered {status}: {body[:500]!r}"
    try:
        document = json.loads(body)
        answer, usage = document["choices"][0]["message"]["content"], document["usage"]
    except (ValueError, LookupError, TypeError):
        return f"it answered 200 with something else: {body[:500]!r}"
    if answer != ANSWER:
        return f"it answered with another text: {answer[:200]!r}"
    if (usage["prompt_tokens"], usage["completion_tokens"]) != (139, 151):
        return f"it answered with another usage: {usage!r}"
    return ""
