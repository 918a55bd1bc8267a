"""Replies that are given again: looked up before a call is sent, and kept after it.

A hit stands in for the upstream: its caller is authenticated, limited and booked as ever, under a hold of nothing. A
miss is a flight, which others who ask for the same at that moment follow.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from tollhouse import logs, metrics
from tollhouse.domain.caching import Freshness, freshness
from tollhouse.domain.call import Call
from tollhouse.domain.course import Course
from tollhouse.domain.errors import ClientGone, TollhouseError, UpstreamError
from tollhouse.domain.ports import Beside, InTurn, Outside, ReplyCache, at_once
from tollhouse.domain.principal import Principal
from tollhouse.domain.routes import Route, Target
from tollhouse.services.caching.flights import Flight, Flights, Listening
from tollhouse.services.caching.kept_reply import KeptExchange, KeptReply, read_kept
from tollhouse.services.caching.retold import LentAccount, retold
from tollhouse.services.calls.reply import CLIENT_GONE, Reply
from tollhouse.services.calls.settlement import NOTHING, Booking
from tollhouse.services.routing.routing import SESSION_HEADER
from tollhouse.wire import json_text
from tollhouse.wire.canonical import canonical, is_withheld

LONGEST_REPLY = 1024 * 1024
"""Bytes of a reply that is kept, or that somebody may hear from its beginning who came late."""
_VERSION = b"1"
"""Of what is kept, and of what makes two calls the same."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that may be answered by what was said before. `send` makes it; `admit` lets it in at no cost, booked as
    the target's.
    """

    principal: Principal
    call: Call
    route: Route
    targets: Sequence[Target]
    send: Callable[[], Reply]
    admit: Callable[[Target], Booking]


class Caching:
    """The cache of one process's calls, and the calls that are shared just now."""

    def __init__(self, kept: ReplyCache, *, beside: Beside | None = None, outside: Outside = at_once) -> None:
        """`outside` reads large bodies."""
        self._kept = kept
        self._flights = Flights(LONGEST_REPLY, beside or InTurn())
        self._outside = outside

    def open(self, asked: Asked) -> Reply:
        """A reply that has begun, as `Inference.open`."""
        fresh = freshness(asked.route.cache_seconds, asked.call.cache_control)
        key = self._key(asked) if fresh is not None else None
        if fresh is None or key is None:
            return asked.send()
        if not fresh.age:
            metrics.CACHE_CALLS.labels("miss").inc()
            return self._lead(*self._flights.alone(), asked, key, fresh)
        return self._open(asked, key, fresh)

    def _open(self, asked: Asked, key: str, fresh: Freshness) -> Reply:
        while True:
            landed = self._flights.landed
            if (hit := self._find(asked, key, fresh)) is not None:
                return hit
            flight, listening, leads = self._flights.board(key)
            if not leads:
                if (reply := self._follow(flight, listening, asked)) is not None:
                    return reply
                if not isinstance(flight.error, UpstreamError):
                    continue  # that caller's own limits or budget refused it, and nobody was called
                flight, listening = self._flights.alone()
            elif landed != self._flights.landed and (hit := self._find(asked, key, fresh)) is not None:
                # It was on its way when the other was kept.
                flight.give_up()
                return hit
            metrics.CACHE_CALLS.labels("miss").inc()
            return self._lead(flight, listening, asked, key, fresh)

    def _key(self, asked: Asked) -> str | None:
        """The same for calls that are the same, in one team; None where the reply is not to be given again."""
        call, route = asked.call, asked.route
        run = self._outside if call.facts.size >= json_text.LARGE else at_once
        if call.form is not None or (text := run(lambda: canonical(call.format, call.body))) is None:
            return None
        name = call.facts.model if route.name.endswith("*") else route.name
        headers = sorted((header, value) for header, value in call.headers.items() if header != SESSION_HEADER)
        kind = [asked.principal.team_id, call.format, name, call.facts.stream, call.strict, headers]
        return run(lambda: blake2b(b"\n".join((_VERSION, json_text.write(kind), text)), digest_size=32).hexdigest())

    # --- What was kept ----------------------------------------------------------------------------------------------

    def _find(self, asked: Asked, key: str, fresh: Freshness) -> Reply | None:
        stored = self._kept.get(key)
        kept = read_kept(stored) if stored is not None else None
        if kept is None:
            return None
        age = max(0, int(time.time() - kept.made_at))
        source = kept.source(asked.route)
        if age > fresh.age or source is None:
            return None
        booking = asked.admit(source)
        booking.retells(source, lambda: kept.cost)
        try:
            reply = retold(asked.call, kept, KeptExchange(kept.text), booking)
        except BaseException as error:
            booking.settle(NOTHING, *_ending(error))
            raise
        reply.cache, reply.age = "hit", age
        metrics.CACHE_CALLS.labels("hit").inc()
        return reply

    def _keep(self, asked: Asked, key: str, fresh: Freshness, reply: Reply, text: bytes) -> None:
        """Keep what is whole and as its caller wanted it; whatever goes wrong, that one does not notice."""
        try:
            target, usage = reply.account.target, reply.usage
            cut = reply.cap is not None and (usage.estimated or usage.output >= reply.cap)
            stands_in = target.model not in (asked.route.name, asked.call.facts.model)
            if reply.outcome != "ok" or not text or cut or stands_in or is_withheld(text):
                return
            kept = KeptReply(
                text=text,
                content_type=reply.content_type,
                dropped=reply.dropped,
                cap=reply.cap,
                deployment=target.deployment,
                upstream_model=target.upstream_model,
                cost=reply.account.cost_of(usage),
                made_at=time.time(),
            )
            self._kept.put(key, kept.write(), fresh.seconds)
        except Exception as error:  # noqa: BLE001 - a reply is not failed for its copy
            logs.event("reply_not_kept", level=logs.ERROR, error=error)

    # --- What is under way ------------------------------------------------------------------------------------------

    def _lead(self, flight: Flight, listening: Listening, asked: Asked, key: str, fresh: Freshness) -> Reply:
        try:
            flight.begin(
                asked.call.request_id, asked.send, lambda reply, text: self._keep(asked, key, fresh, reply, text)
            )
            own = listening.begun()
            if own is None:
                raise flight.error or AssertionError("a flight that neither began nor failed")
            reply = retold(
                asked.call,
                own,
                listening,
                LentAccount(own.account),
                outcome=flight.outcome,
                usage=lambda: own.usage,
                course=Course(),  # the call's own is that of the flight
            )
            reply.headers, reply.cache = own.headers, "miss"
        except BaseException:
            listening.close()
            raise
        return reply

    def _follow(self, flight: Flight, listening: Listening, asked: Asked) -> Reply | None:
        """None where the flight failed before it began: whoever follows tries by itself."""
        booking = None
        try:
            booking = asked.admit(asked.targets[0])
            other = listening.begun()
            if other is None:
                booking.withdraw()
                listening.close()
                return None
            account = other.account
            booking.retells(account.target, lambda: account.cost_of(other.usage))
            reply = retold(asked.call, other, listening, booking, outcome=flight.outcome)
        except BaseException as error:
            listening.close()
            if booking is not None:
                booking.settle(NOTHING, *_ending(error))
            raise
        metrics.CACHE_CALLS.labels("shared").inc()
        reply.cache = "hit"
        return reply


def _ending(error: BaseException) -> tuple[int, str]:
    """The status and outcome of a call that costs nothing and comes to nothing."""
    if isinstance(error, TollhouseError):
        return error.status, error.code
    return (0, CLIENT_GONE) if isinstance(error, ClientGone) else (500, "internal_error")
