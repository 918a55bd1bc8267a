"""A Completions request as a chat request: the prompt is what the user says."""

from collections.abc import Mapping
from typing import Any

from tollhouse.domain.errors import InvalidField
from tollhouse.wire.completions_to_chat.losses import CHATS_OWN
from tollhouse.wire.kept_elsewhere import refuse_kept_elsewhere
from tollhouse.wire.pair import Recipient, Translated
from tollhouse.wire.refused import without_refused

_REPLACED = ("prompt", "suffix", "echo", "best_of", "logprobs", *CHATS_OWN)


def translate(body: Mapping[str, Any], recipient: Recipient) -> Translated:
    """InvalidField for what a chat host would answer as something else."""
    _refuse(body)
    refuse_kept_elsewhere(body)
    dropped = [field for field in CHATS_OWN if body.get(field)]
    if (body.get("best_of") or 1) > (body.get("n") or 1):
        dropped.append("best_of")
    chat = {name: value for name, value in body.items() if name not in _REPLACED}
    chat["messages"] = [{"role": "user", "content": _prompt(body["prompt"])}]
    most = body.get("logprobs")
    if most is not None and most is not False:
        chat["logprobs"] = True
        if most is not True and most > 0:
            chat["top_logprobs"] = most
    taken, refused = without_refused(chat, recipient)
    return Translated(taken, (*dropped, *refused))


def _prompt(prompt: Any) -> str:
    """The one text that a chat host can be asked."""
    if isinstance(prompt, list):
        if len(prompt) > 1 and all(isinstance(one, str) for one in prompt):
            raise _wrong("prompt", "this model's provider speaks chat, which takes one prompt a call: send them apart")
        prompt = prompt[0] if len(prompt) == 1 else prompt
    if prompt is None:
        raise _wrong("prompt", "this model's provider speaks chat, which does not begin without one")
    if not isinstance(prompt, str):
        raise _wrong("prompt", "this model's provider speaks chat, which takes text and no tokens")
    if not prompt.strip():
        raise _wrong("prompt", "this model's provider speaks chat, which does not begin with a blank one")
    return prompt


def _refuse(body: Mapping[str, Any]) -> None:
    scored = body.get("logprobs")
    if body.get("suffix"):
        raise _wrong("suffix", "this model's provider speaks chat, which writes on and does not fill in")
    if body.get("max_tokens") == 0:
        raise _wrong("max_tokens", "this model's provider speaks chat, where at least one token is asked for")
    if body.get("echo") and scored is not None and scored is not False:
        raise _wrong("echo", "this model's provider speaks chat, which tells no probabilities of the prompt")
    if body.get("prompt_embeds"):
        raise _wrong("prompt_embeds", "this model's provider speaks chat, which takes text alone")


def _wrong(field: str, why: str) -> InvalidField:
    return InvalidField(f"{field}: {why}.", param=field)
