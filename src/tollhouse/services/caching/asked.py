"""A call that may be answered by what was said before, and what makes it the same as another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from tollhouse.domain.call import Call
from tollhouse.domain.ports import Outside, at_once
from tollhouse.domain.principal import Principal
from tollhouse.domain.routes import Route, Target
from tollhouse.services.calls.reply import Reply
from tollhouse.services.calls.settlement import Booking
from tollhouse.services.routing.routing import SESSION_HEADER
from tollhouse.wire import json_text
from tollhouse.wire.canonical import canonical

_VERSION = b"1"
"""Of what is kept, and of what makes two calls the same."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`send` makes the call; `admit` lets it in at no cost, booked as the target's; `embed` calls this model for the
    vector of this text, on the same caller's account.
    """

    principal: Principal
    call: Call
    route: Route
    targets: Sequence[Target]
    send: Callable[[], Reply]
    admit: Callable[[Target], Booking]
    embed: Callable[[str, str], Reply]

    def key(self, outside: Outside, body: Mapping[str, Any] | None = None, also: Sequence[Any] = ()) -> str | None:
        """The same for calls that are the same, in one team; None where the reply is not to be given again. With the
        body in place of the call's, and what else is to be the same. `outside` reads large ones.
        """
        call, route = self.call, self.route
        said = call.body if body is None else body
        run = outside if call.facts.size >= json_text.LARGE else at_once
        if call.form is not None or (text := run(lambda: canonical(call.format, said))) is None:
            return None
        name = call.facts.model if route.name.endswith("*") else route.name
        headers = sorted((header, value) for header, value in call.headers.items() if header != SESSION_HEADER)
        kind = [self.principal.team_id, call.format, name, call.facts.stream, call.strict, headers, *also]
        return run(lambda: blake2b(b"\n".join((_VERSION, json_text.write(kind), text)), digest_size=32).hexdigest())
