"""How much the model is to think, and how freely to choose its words: what hosts of Messages refuse together.

Thinking takes no temperature, no top_k and no small top_p, and does not go before a call that is forced; models differ
in what turns it on. Of what cannot go together the effort yields to a forced call, and sampling to thinking. The rules:
https://platform.claude.com/docs/en/build-with-claude/extended-thinking#feature-compatibility
"""

from collections.abc import Mapping
from typing import Any

from tollhouse.wire.chat_to_messages.losses import Dropped
from tollhouse.wire.chat_to_messages.parts import invalid
from tollhouse.wire.pair import Recipient

LEAST_BUDGET = 1024
"""Tokens; the format's own bound."""
LEAST_TOP_P = 0.95
"""What may be said together with thinking."""

_SHARES = {"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8}
"""Of the output cap, for models that are told a number of tokens: what OpenRouter documents. More effort is as high."""
_LESS = {"minimal": "low", "xhigh": "high", "max": "high"}
"""The effort that is asked for in place of one that a model has not."""
_FORCED = ("any", "tool")


def think(body: Mapping[str, Any], translated: dict[str, Any], recipient: Recipient, dropped: Dropped) -> None:
    """Put into `translated` what `reasoning_effort` asks for. The caller's own fields of Messages go before it."""
    family = recipient.family
    choice = translated.get("tool_choice")
    forced = choice is not None and choice["type"] in _FORCED
    if choice is not None and forced and not family.forced:
        forced = False
        rest = {name: value for name, value in choice.items() if name not in ("type", "name")}
        translated["tool_choice"] = {"type": "auto", **rest}
        dropped.note("tool_choice")
    effort = body.get("reasoning_effort")
    if effort is not None and not isinstance(effort, str):
        raise invalid("reasoning_effort", "a string is needed")
    if forced:
        _call_first(translated, effort, recipient, dropped)
    elif effort == "none":
        _rest(translated, recipient, dropped)
    elif effort is not None:
        _try(translated, effort, body, recipient, dropped)


def sample(translated: dict[str, Any], recipient: Recipient, dropped: Dropped) -> None:
    """Leave out what of sampling the model does not take, at all or while it thinks."""
    family = recipient.family
    if family.sampling == 0:
        refused = {"temperature", "top_p", "top_k"}
    elif _thinks(translated):
        refused = {"temperature", "top_k"}
        if translated.get("top_p", 1) < LEAST_TOP_P:
            refused.add("top_p")
    elif family.sampling == 1 and "temperature" in translated:
        refused = {"top_p"}
    else:
        return
    for name in ("temperature", "top_p", "top_k"):
        if name in refused and translated.pop(name, None) is not None:
            dropped.note(name)


def _call_first(translated: dict[str, Any], effort: str | None, recipient: Recipient, dropped: Dropped) -> None:
    """Of an effort what is left without thinking, which is turned off where the model would do it by itself."""
    family = recipient.family
    if _thinks(translated):
        del translated["thinking"]
        dropped.note("thinking")
    if family.unasked and family.rest:
        translated.setdefault("thinking", {"type": family.rest})
    if effort in (None, "none"):
        return
    dropped.note("reasoning_effort")
    # The highest efforts are refused where thinking is turned off.
    word = _LESS.get(effort, effort) if "thinking" in translated else _word(effort, recipient)
    _set_effort(translated, word, recipient)


def _rest(translated: dict[str, Any], recipient: Recipient, dropped: Dropped) -> None:
    family = recipient.family
    if family.rest and family.thinking:
        translated.setdefault("thinking", {"type": family.rest})
    elif not family.rest:
        dropped.note("reasoning_effort")
        _set_effort(translated, "low", recipient)


def _try(
    translated: dict[str, Any], effort: str, body: Mapping[str, Any], recipient: Recipient, dropped: Dropped
) -> None:
    family = recipient.family
    word = _word(effort, recipient)
    if word != effort and (family.efforts or effort not in _SHARES):
        dropped.note("reasoning_effort")
    _set_effort(translated, word, recipient)
    if "thinking" in translated:
        return
    if family.thinking == "adaptive":
        translated["thinking"] = {"type": "adaptive"}
    elif family.thinking and (budget := _budget(effort, body, recipient)):
        translated["thinking"] = {"type": family.thinking, "budget_tokens": budget}
    else:
        dropped.note("reasoning_effort")


def _word(effort: str, recipient: Recipient) -> str:
    return effort if effort in recipient.family.efforts else _LESS.get(effort, effort)


def _set_effort(translated: dict[str, Any], word: str, recipient: Recipient) -> None:
    if recipient.family.efforts:
        translated["output_config"] = {"effort": word, **translated.get("output_config", {})}


def _budget(effort: str, body: Mapping[str, Any], recipient: Recipient) -> int | None:
    """Tokens to think with; None where the output cap, which they count towards, leaves no room for any."""
    limits = [body.get("max_completion_tokens") or body.get("max_tokens") or recipient.cap, recipient.most]
    cap = min((int(limit) for limit in limits if limit), default=LEAST_BUDGET + 1)
    if cap <= LEAST_BUDGET:
        return None
    return max(LEAST_BUDGET, int(cap * _SHARES.get(effort, _SHARES["high"])))


def _thinks(translated: Mapping[str, Any]) -> bool:
    thinking = translated.get("thinking")
    return isinstance(thinking, dict) and thinking.get("type") in ("adaptive", "enabled")
