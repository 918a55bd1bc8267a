"""What a chat host has not, taken out of a body that a translation wrote for it."""

from typing import Any, cast

from tollhouse.wire.pair import Recipient

MARK = "cache_control"
BREAKPOINT = "prompt_cache_breakpoint"


def without_refused(body: dict[str, Any], recipient: Recipient) -> tuple[dict[str, Any], list[str]]:
    """The body as the recipient takes it, and what it lost: names of chat's own, `cache_control` for marks anywhere."""
    refused = recipient.refuses
    if not refused:
        return body, []
    lost = [name for name in body if name in refused]
    kept = {name: value for name, value in body.items() if name not in refused}
    if MARK in refused:
        marks = _Marks(breakpoints=recipient.breakpoints)
        for name in ("messages", "tools"):
            if name in kept:
                kept[name] = marks.out_of(kept[name])
        if marks.lost:
            lost.append(MARK)
    return kept, lost


class _Marks:
    """Takes cache marks out of messages and tools, or puts a breakpoint in place of those on parts of the content."""

    def __init__(self, *, breakpoints: bool) -> None:
        self.lost = False
        self._breakpoints = breakpoints

    def out_of(self, value: Any, *, part: bool = False) -> Any:
        """Of a list each of its objects; of an object its mark, and those of its content and its calls."""
        if isinstance(value, list):
            return [self.out_of(one, part=part) for one in value]
        if not isinstance(value, dict):
            return value
        kept = dict(cast("dict[str, Any]", value))
        for name in ("content", "tool_calls"):
            if isinstance(kept.get(name), list):
                kept[name] = self.out_of(kept[name], part=name == "content")
        mark = kept.pop(MARK, None)
        if mark and part and self._breakpoints:
            # How long it lives is left to the host: twelve hours, the nearest to Anthropic's one, is dearer to write.
            kept[BREAKPOINT] = {"mode": "explicit"}
            self.lost = self.lost or (isinstance(mark, dict) and mark.get("ttl") not in (None, "5m"))
        elif mark:
            self.lost = True
        return kept
