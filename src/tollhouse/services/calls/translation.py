"""A call in the words of each host that may get it, before anything is held or sent."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from tollhouse.domain.call import Call
from tollhouse.domain.errors import BadRequest, Unsupported
from tollhouse.domain.routes import Host, Manners, Target
from tollhouse.domain.values import value
from tollhouse.wire import FORMATS, PAIRS, json_text, upstream_format
from tollhouse.wire.families import family_of, takes_breakpoints
from tollhouse.wire.format import Format
from tollhouse.wire.pair import ANYONE, Pair, Recipient


@value
class Wording:
    """The call for hosts of one format. `dropped` are the fields that it lost on the way."""

    format: Format
    pair: Pair
    call: Call
    dropped: tuple[str, ...]


Choice = tuple[Target, Wording]


def word(call: Call, targets: Sequence[Target], manners: Callable[[Host], Manners]) -> tuple[Choice, ...]:
    """Each target that can take the call, with the call as it takes it. Raises BadRequest when none can."""
    wordings: dict[tuple[str, Recipient], Wording | BadRequest] = {}
    able = []
    for target in targets:
        format = upstream_format(call.format, target.formats)
        if format is None:
            raise AssertionError("routing lets only those targets pass that can be called")
        recipient = ANYONE if format.name == call.format else _recipient(target, manners(target.host))
        wording = wordings.get((format.name, recipient))
        if wording is None:
            wording = wordings[format.name, recipient] = _wording(call, format, recipient)
        if isinstance(wording, Wording):
            able.append((target, wording))
    if not able:
        raise next(refusal for refusal in wordings.values() if isinstance(refusal, BadRequest))
    return tuple(able)


def _recipient(target: Target, manners: Manners) -> Recipient:
    """The least cap that the call can get without one of its own."""
    cap = min(target.default_output_cap, target.max_output or target.default_output_cap)
    model = target.upstream_model
    breakpoints = manners.breakpoints and takes_breakpoints(model)
    return Recipient(family_of(model), manners.refuses, breakpoints, cap, target.max_output)


def _wording(call: Call, format: Format, recipient: Recipient) -> Wording | BadRequest:
    pair = PAIRS[call.format, format.name]
    try:
        translated = pair.request(call.body, recipient)
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
