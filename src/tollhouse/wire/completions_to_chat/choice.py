"""A choice of a chat host as one of a completion: its text, why it ended, how likely its tokens were."""

from collections.abc import Mapping
from typing import Any

from tollhouse.domain.call import Call
from tollhouse.wire.completion import as_objects
from tollhouse.wire.vocabulary import openai_usage

_FINISH_REASONS = {
    "length": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "content_filter": "content_filter",
}


def asked_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a choice needs of the client's body, which is let go before the reply comes."""
    needed = ("echo", "logprobs", "prompt") if body.get("echo") else ("logprobs",)
    return {name: body.get(name) for name in needed}


class ChoiceText:
    """One choice as it grows. `asked` is of the client's body: with `echo`, the prompt comes before the answer."""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._echoed = _text_of_prompt(asked) if asked.get("echo") else ""
        self._most = asked.get("logprobs")
        self._length = len(self._echoed)

    def take(self, index: int, choice: Mapping[str, Any], said: Any) -> dict[str, Any] | None:
        """The choice of a completion or of a chunk of one; None where there is nothing to tell. `said` is the
        message or the delta.
        """
        text, logprobs = text_of(said), self._logprobs(choice.get("logprobs"))
        told = choice.get("finish_reason")
        reason = None if told is None else _FINISH_REASONS.get(told if isinstance(told, str) else "", "stop")
        before, self._echoed = self._echoed, ""
        if not (before or text or reason or logprobs):
            return None
        return {"text": before + text, "index": index, "logprobs": logprobs, "finish_reason": reason}

    def _logprobs(self, told: Any) -> dict[str, Any] | None:
        tokens = as_objects(told.get("content")) if isinstance(told, dict) else []
        if not tokens:
            return None
        texts = [_string(one.get("token")) for one in tokens]
        offsets = []
        for text in texts:
            offsets.append(self._length)
            self._length += len(text)
        return {
            "tokens": texts,
            "token_logprobs": [_number(one.get("logprob")) for one in tokens],
            "top_logprobs": [_likely(one) for one in tokens] if self._most else None,
            "text_offset": offsets,
        }


def head(call: Call, document: Mapping[str, Any], created: int) -> dict[str, Any]:
    """The fields before the choices. The model is the one that the client asked for."""
    told, given = document.get("created"), document.get("id")
    identity = given if isinstance(given, str) and given else call.request_id
    fields: dict[str, Any] = {
        "id": f"cmpl-{identity.removeprefix('req_').removeprefix('chatcmpl-')}",
        "object": "text_completion",
        "created": told if type(told) is int and told > 0 else created,
        "model": call.facts.model,
    }
    if isinstance(fingerprint := document.get("system_fingerprint"), str):
        fields["system_fingerprint"] = fingerprint
    return fields


def usage_of(told: Any) -> dict[str, Any] | None:
    """What the host says was used; None where it says nothing. Each field is a count, whatever the host has there."""
    counts = openai_usage(told) if isinstance(told, dict) else None
    if counts is None or not counts.prompt:
        return None
    return {
        "prompt_tokens": counts.prompt,
        "completion_tokens": counts.output,
        "total_tokens": counts.prompt + counts.output,
        "prompt_tokens_details": {"cached_tokens": counts.cache_read, "cache_write_tokens": counts.cache_write},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
    }


def text_of(said: Any) -> str:
    """What a message or a delta says, a refusal too: a completion has no other place for it."""
    if not isinstance(said, dict):
        return ""
    content = said.get("content")
    if isinstance(content, list):
        content = "".join(_string(part.get("text")) for part in as_objects(content))
    return _string(content) or _string(said.get("refusal"))


def _text_of_prompt(body: Mapping[str, Any]) -> str:
    prompt = body.get("prompt")
    return _string(prompt[0] if isinstance(prompt, list) and prompt else prompt)


def _likely(token: Mapping[str, Any]) -> dict[str, float]:
    """The likeliest tokens in its place, and the one that was taken."""
    told = [*as_objects(token.get("top_logprobs")), token]
    return {_string(one.get("token")): _number(one.get("logprob")) for one in told}


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
