"""A call whose caller may leave before it has begun, and which then goes on: beside whoever made it."""

import threading
from collections.abc import Callable
from typing import Protocol

from tollhouse import logs
from tollhouse.services.calls.remainders import Remainders
from tollhouse.services.calls.reply import Reply


class Leavable(Protocol):
    """A call that is being sent."""

    caller_left: bool
    """Set, it is tried nowhere else."""

    @property
    def was_sent(self) -> bool: ...


def see_through(remainders: Remainders, request_id: str, call: Leavable, send: Callable[[], Reply]) -> Reply:
    """What `send` gives or raises. Where its caller leaves meanwhile, a call that was sent is read to its end."""
    sending = _Sending(remainders, request_id, send)
    end = remainders.beside(sending.run, lambda: not sending.over)
    try:
        sending.done.wait()
    except BaseException:
        call.caller_left = True
        if not sending.leave(was_sent=call.was_sent):
            end()
        raise
    return sending.result()


class _Sending:
    def __init__(self, remainders: Remainders, request_id: str, send: Callable[[], Reply]) -> None:
        self.done = threading.Event()
        self.over = False
        self._remainders = remainders
        self._request_id = request_id
        self._send = send
        self._reply: Reply | None = None
        self._error: BaseException | None = None
        self._is_left = False

    def run(self) -> None:
        logs.set_request_id(self._request_id)
        try:
            self._reply = self._send()
            if self._is_left:
                self._reply.read_on()
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it; what nobody waits for has settled
            self._error = error
        finally:
            self.over = True
            if self._is_left:
                self._remainders.leave()
            self.done.set()

    def leave(self, *, was_sent: bool) -> bool:
        """Nobody waits for it any more. False where it does not go on by itself, and has to be ended."""
        if self.over:
            if self._reply is not None:
                self._reply.close()
            return True
        self._is_left = was_sent and self._remainders.enter()
        return self._is_left

    def result(self) -> Reply:
        if self._error is not None:
            raise self._error
        if self._reply is None:
            raise AssertionError("a call that neither began nor failed")
        return self._reply
