"""Replies that are given again: looked up before a call is sent, and kept after it.

A hit stands in for the upstream: its caller is authenticated, limited and booked as ever, under a hold of nothing. A
miss is a flight, which others who ask for the same at that moment follow. Before that, where a model's setting says so,
it is looked whether something similar was asked.
"""

import time

from tollhouse import logs, metrics
from tollhouse.domain.caching import Freshness, freshness
from tollhouse.domain.course import Course
from tollhouse.domain.errors import ClientGone, TollhouseError, UpstreamError
from tollhouse.domain.ports import Beside, InTurn, Outside, ReplyCache, at_once
from tollhouse.services.caching.asked import Asked
from tollhouse.services.caching.embedding import Embeddings
from tollhouse.services.caching.flights import Flight, Flights, Listening
from tollhouse.services.caching.kept_reply import KeptExchange, KeptReply, SimilarReply, read_kept
from tollhouse.services.caching.retold import LentAccount, retold
from tollhouse.services.caching.similar import Question, Questions
from tollhouse.services.calls.reply import CLIENT_GONE, Reply
from tollhouse.services.calls.settlement import NOTHING
from tollhouse.wire.canonical import is_withheld

LONGEST_REPLY = 1024 * 1024
"""Bytes of a reply that is kept, or that somebody may hear from its beginning who came late."""
EMBEDDING_SECONDS = 0.3
"""That a call waits for the vector of its question."""


class Caching:
    """The cache of one process's calls, and the calls that are shared just now."""

    def __init__(
        self,
        kept: ReplyCache,
        *,
        beside: Beside | None = None,
        outside: Outside = at_once,
        embedding_seconds: float = EMBEDDING_SECONDS,
    ) -> None:
        """`outside` reads large bodies."""
        beside = beside or InTurn()
        self._kept = kept
        self._flights = Flights(LONGEST_REPLY, beside)
        self._questions = Questions(kept, Embeddings(beside, embedding_seconds), outside)
        self._outside = outside

    def open(self, asked: Asked) -> Reply:
        """A reply that has begun, as `Inference.open`."""
        fresh = freshness(asked.route.cache_seconds, asked.call.cache_control)
        key = asked.key(self._outside) if fresh is not None else None
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
            question = None
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
            elif asked.route.similar is not None:
                question, hit = self._compare(asked, key, fresh, flight)
                if hit is not None:
                    return hit
            metrics.CACHE_CALLS.labels("miss").inc()
            return self._lead(flight, listening, asked, key, fresh, question)

    # --- What was kept ----------------------------------------------------------------------------------------------

    def _find(self, asked: Asked, key: str, fresh: Freshness) -> Reply | None:
        kept = self._read(key)
        if isinstance(kept, SimilarReply):
            wish = asked.route.similar
            if wish is None or kept.similarity < wish.least:
                return None
            return self._give(asked, self._read(kept.key), fresh, kept.similarity)
        return self._give(asked, kept, fresh)

    def _read(self, key: str) -> KeptReply | SimilarReply | None:
        stored = self._kept.get(key)
        return read_kept(stored) if stored is not None else None

    def _compare(
        self, asked: Asked, key: str, fresh: Freshness, flight: Flight
    ) -> tuple[Question | None, Reply | None]:
        """What the call asks, and the reply to something similar, which takes the place of the flight."""
        hit = None
        try:
            question = self._questions.of(asked)
            for one in question.neighbours(fresh.age) if question is not None else ():
                if (hit := self._give(asked, self._read(one.key), fresh, one.similarity)) is not None:
                    # Who asks for just this finds it at once: those who have boarded the flight, and whoever comes.
                    seconds = fresh.seconds - (hit.age or 0)
                    self._kept.put(key, SimilarReply(one.key, one.similarity).write(), max(1, seconds))
                    flight.give_up()
                    break
        except BaseException:
            flight.give_up()
            raise
        return question, hit

    def _give(
        self, asked: Asked, kept: KeptReply | SimilarReply | None, fresh: Freshness, similarity: float | None = None
    ) -> Reply | None:
        if not isinstance(kept, KeptReply):
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
        reply.cache, reply.age = "hit" if similarity is None else "similar", age
        reply.similarity = similarity
        metrics.CACHE_CALLS.labels(reply.cache).inc()
        return reply

    def _keep(
        self, asked: Asked, key: str, fresh: Freshness, question: Question | None, reply: Reply, text: bytes
    ) -> None:
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
            if question is not None:
                question.remember(key, kept.made_at, fresh.seconds)
        except Exception as error:  # noqa: BLE001 - a reply is not failed for its copy
            logs.event("reply_not_kept", level=logs.ERROR, error=error)

    # --- What is under way ------------------------------------------------------------------------------------------

    def _lead(
        self,
        flight: Flight,
        listening: Listening,
        asked: Asked,
        key: str,
        fresh: Freshness,
        question: Question | None = None,
    ) -> Reply:
        def keep(reply: Reply, text: bytes) -> None:
            self._keep(asked, key, fresh, question, reply, text)

        try:
            flight.begin(asked.call.request_id, asked.send, keep)
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
