"""One upstream call for all who ask for the same at the same time.

A flight belongs to none of its listeners. It is called for the first of them, who is billed; it goes on when that one
leaves, and ends with the last. What it says it says to all, from its beginning, as fast as each of them takes it.
"""

import threading
from collections.abc import Callable, Mapping

from tollhouse import logs
from tollhouse.domain.errors import ClientGone, UpstreamError
from tollhouse.domain.ports import Beside
from tollhouse.services.calls.reply import Reply

Keep = Callable[[Reply, bytes], None]
"""Given a reply that has come to its end, and all that its caller gets of it, before anybody gets the last of that."""


class Flight:
    """One call. What nobody needs any more it forgets once there is more than `most` bytes of it; from then on nobody
    else can listen to it, nor is it kept.
    """

    def __init__(self, most: int, beside: Beside, landed: Callable[["Flight"], None]) -> None:
        self.reply: Reply | None = None
        """The reply to the first listener, once it has begun; a whole one when it is complete."""
        self.error: BaseException | None = None
        """Why there is none, or what broke it off where it could not say so itself."""
        self._most = most
        self._beside = beside
        self._landed = landed
        self._turn = threading.Condition()
        self._chunks: list[bytes] = []
        self._forgotten = 0  # chunks
        self._size = 0
        self._listeners: set[Listening] = set()
        self._begun = self._over = self._ending = self._reads = False
        self._stop: Callable[[], None] = lambda: None

    def listen(self) -> "Listening | None":
        """Whoever listens closes that. None where the flight has no beginning to hear any more."""
        with self._turn:
            if self._over or self._ending or self._size > self._most:
                return None
            listening = Listening(self)
            self._listeners.add(listening)
            return listening

    def begin(self, request_id: str, send: Callable[[], Reply], keep: Keep) -> None:
        """Make the call, beside whoever asks where that is possible."""
        self._stop = self._beside(
            lambda: self._run(request_id, send, keep), lambda: self._reads and not self._listeners
        )

    def give_up(self) -> None:
        """There will be no call: whoever listens finds out for itself what there is instead."""
        self._land(None)

    def outcome(self) -> str:
        """How the reply has ended."""
        return self.reply.outcome if self.reply is not None and self.error is None else UpstreamError.code

    # --- The call ---------------------------------------------------------------------------------------------------

    def _run(self, request_id: str, send: Callable[[], Reply], keep: Keep) -> None:
        logs.set_request_id(request_id)
        self._reads = True
        try:
            if not self._listeners:
                raise ClientGone
            reply = send()
        except BaseException as error:  # noqa: BLE001 - whoever listens gets it
            self._land(error)
            return
        broken: Exception | None = None
        try:
            self._relay(reply, keep)
        except ClientGone:
            pass  # the last listener has left
        except Exception as error:  # noqa: BLE001 - whoever listens gets it
            broken = error
        finally:
            self._reads = False
            try:
                reply.close()
            finally:
                self.reply = reply
                self._land(broken)

    def _relay(self, reply: Reply, keep: Keep) -> None:
        if reply.streamed:
            with self._turn:
                self.reply, self._begun = reply, True
                self._turn.notify_all()
        kept = False
        for chunk in reply:
            if reply.is_complete and not kept:
                kept, self._reads = True, False
                if self._size + len(chunk) <= self._most:
                    keep(reply, b"".join([*self._chunks, chunk]))
                self._reads = True
            self._say(chunk)
            if reply.streamed and self._may_end():
                break

    def _may_end(self) -> bool:
        """Whether nobody listens any more; then nobody else can."""
        with self._turn:
            self._ending = self._ending or (self._reads and not self._listeners)
            return self._ending

    def _say(self, chunk: bytes) -> None:
        with self._turn:
            self._chunks.append(chunk)
            self._size += len(chunk)
            self._turn.notify_all()
            if self._size <= self._most or not self._begun:
                return
            self._forget()
            while self._beside.live and self._listeners and sum(map(len, self._chunks)) > self._most:
                self._turn.wait()  # for the slowest, whom the server gives up on after a while
                self._forget()

    def _forget(self) -> None:
        heard = min((one.heard for one in self._listeners), default=0) - self._forgotten
        if heard > 0:
            del self._chunks[:heard]
            self._forgotten += heard

    def _land(self, error: BaseException | None) -> None:
        # First: whoever finds no flight any more must see that one has landed, and look for what was kept of it.
        self._landed(self)
        with self._turn:
            self.error = error
            self._reads = False
            self._begun = self._over = True
            self._turn.notify_all()

    # --- Its listeners ----------------------------------------------------------------------------------------------

    def wait(self) -> None:
        """Until it has begun, or will not."""
        with self._turn:
            while not self._begun:
                self._turn.wait()

    def hear(self, listening: "Listening") -> bytes:
        """What the listener has not heard yet; b"" at the end."""
        with self._turn:
            while listening.heard == (end := self._forgotten + len(self._chunks)):
                if self._over:
                    return b""
                self._turn.wait()
            news = self._chunks[listening.heard - self._forgotten :]
            listening.heard = end
            if self._size > self._most:
                self._turn.notify_all()  # whoever says it waits for that
        return b"".join(news)

    def leave(self, listening: "Listening") -> None:
        with self._turn:
            if listening not in self._listeners:
                return
            self._listeners.discard(listening)
            self._turn.notify_all()
            last = not self._listeners and not self._over
        if last:
            self._stop()


class Listening:
    """One listener's exchange: stands in for an upstream's, once the flight has begun."""

    status = 200
    headers: Mapping[str, str] = {}
    returned: Mapping[str, str] = {}

    def __init__(self, flight: Flight) -> None:
        self.heard = 0
        """Chunks."""
        self._flight = flight

    def begun(self) -> Reply | None:
        """Wait for the reply of the flight; None where there will be none."""
        self._flight.wait()
        return self._flight.reply

    def read(self) -> bytes:
        chunk = self._flight.hear(self)
        if not chunk and self._flight.error is not None:
            raise self._flight.error
        return chunk

    def close(self) -> None:
        self._flight.leave(self)


class Flights:
    """Those of one process that are under way, by what is asked for."""

    def __init__(self, most: int, beside: Beside) -> None:
        self.landed = 0
        """How many have come to their end."""
        self._most = most
        self._beside = beside
        self._open: dict[str, Flight] = {}
        self._lock = threading.Lock()

    def board(self, key: str) -> tuple[Flight, Listening, bool]:
        """The flight of this key, and whether it is a new one, which whoever asked begins."""
        with self._lock:
            flight = self._open.get(key)
            if flight is not None and (listening := flight.listen()) is not None:
                return flight, listening, False
            flight, listening = self._new(key)
            self._open[key] = flight
            return flight, listening, True

    def alone(self) -> tuple[Flight, Listening]:
        """A flight that nobody else can find."""
        return self._new(None)

    def _new(self, key: str | None) -> tuple[Flight, Listening]:
        flight = Flight(self._most, self._beside, lambda flight: self._end(key, flight))
        listening = flight.listen()
        if listening is None:
            raise AssertionError("a flight that has not begun")
        return flight, listening

    def _end(self, key: str | None, flight: Flight) -> None:
        with self._lock:
            self.landed += 1
            if key is not None and self._open.get(key) is flight:
                del self._open[key]
