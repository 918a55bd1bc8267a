"""A call in the words of each host that may get it, before anything is held or sent."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tollhouse.domain.call import Call
from tollhouse.domain.errors import BadRequest, Unsupported
from tollhouse.domain.routes import Target
from tollhouse.wire import FORMATS, PAIRS, json_text, upstream_format
from tollhouse.wire.format import Format
from tollhouse.wire.pair import Pair


@dataclass(frozen=True, slots=True)
class Wording:
    """The call for hosts of one format. `dropped` are the fields that it lost on the way."""

    format: Format
    pair: Pair
    call: Call
    dropped: tuple[str, ...]


Choice = tuple[Target, Wording]


def word(call: Call, targets: Sequence[Target]) -> tuple[Choice, ...]:
    """Each target that can take the call, with the call as it takes it. Raises BadRequest when none can."""
    wordings: dict[str, Wording | BadRequest] = {}
    able = []
    for target in targets:
        format = upstream_format(call.format, target.formats)
        if format is None:
            raise AssertionError("routing lets only those targets pass that can be called")
        if format.name not in wordings:
            wordings[format.name] = _wording(call, format)
        wording = wordings[format.name]
        if isinstance(wording, Wording):
            able.append((target, wording))
    if not able:
        raise next(refusal for refusal in wordings.values() if isinstance(refusal, BadRequest))
    return tuple(able)


def _wording(call: Call, format: Format) -> Wording | BadRequest:
    pair = PAIRS[call.format, format.name]
    try:
        translated = pair.request(call.body)
    except BadRequest as refusal:
        return refusal
    if translated.body is call.body:
        return Wording(format, pair, call, ())
    dropped = tuple(dict.fromkeys(translated.dropped))
    if dropped and call.strict:
        return Unsupported(
            f"The provider of {call.facts.model!r} cannot be told {', '.join(dropped)}, and X-Tollhouse-Strict says "
            "that nothing may be left out.",
            param=dropped[0],
        )
    # What is asked for is the same; how long it is may not be, and the bound of its tokens goes by that.
    facts = replace(
        call.facts,
        size=max(call.facts.size, len(json_text.write(translated.body))),
        surcharged=call.facts.surcharged or format.surcharges(translated.body),
    )
    worded = replace(call, format=format.name, body=translated.body, facts=facts, translated=format.name != call.format)
    return Wording(format, pair, worded, dropped)


def dialect_of(call: Call) -> str:
    """Whose errors the caller understands."""
    return FORMATS[call.format].dialect
