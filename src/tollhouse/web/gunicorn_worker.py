"""gunicorn's gevent worker, with clients that cannot hold it: what they leave unread or unsent is bounded."""

import logging
import multiprocessing
import os
import signal
import sys
import time
from contextlib import nullcontext
from functools import partial
from typing import Any, NoReturn

import gevent
from gevent.server import StreamServer
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger as GunicornLogger
from gunicorn.workers.ggevent import GeventWorker

from tollhouse.domain.errors import ClientGone
from tollhouse.settings import load
from tollhouse.web.client_socket import ClientSocket
from tollhouse.web.client_watch import ClientWatch
from tollhouse.web.entrance import Entrance
from tollhouse.web.gunicorn_tuning import keep_what_is_there, tune
from tollhouse.web.turnstile import Turnstile

MOST_DRAINED_BYTES = 64 * 1024 * 1024
MOST_DRAINED_SECONDS = 5.0
"""How much of a body that nobody wants is read, so that its sender gets to read the answer."""
REST_SECONDS_AT_END = 1.0
"""A stopping worker takes another request from a client that has just had an answer, and tells it to close;
a busy client thus never meets a connection that is closing."""

SUCCESSOR_SECONDS = 15.0
"""How long a worker that is replaced goes on taking connections until a younger one does."""

_fork = multiprocessing.get_context("fork")
replaced = _fork.Value("q", 0, lock=False)
"""Written by the arbiter: workers up to this age are being replaced."""
_youngest = _fork.Value("q", 0, lock=False)
"""Of the workers that take connections, its age."""
_first_to_fail = _fork.Lock()
"""Made in the arbiter and never released: of workers that cannot start, one says why."""


class Logger(GunicornLogger):
    """gunicorn's own lines, left to the application's logging."""

    def setup(self, cfg: Any) -> None:
        from tollhouse import logs

        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")
        logs.configure(load(), "web")

    def access(self, *_: Any) -> None:
        """There is no access log: a call has a line of its own. gunicorn would find that out for each request."""

    def reopen_files(self) -> None:
        """There are none."""


class Worker(GeventWorker):
    """One process; a greenlet for each connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stall_seconds = load().stalled_client_seconds
        self._clients: set[ClientSocket] = set()
        self._turnstile = Turnstile()
        self._entrance: Any = None
        self._servers: list[StreamServer] = []
        self._is_leaving = False

    def server_class(  # type: ignore[override]  # it is called like the class that gunicorn takes it for
        self, listener: Any, *, spawn: Any, **_: Any
    ) -> StreamServer:
        """What accepts connections: as gunicorn makes it where nobody else does, and known here."""
        server = StreamServer(listener, handle=partial(self.handle, listener), spawn=spawn)
        if self.cfg.workers > 1:
            server.max_accept = 1
        self._servers.append(server)
        _youngest.value = max(_youngest.value, self.age)
        return server

    def run(self) -> None:
        """Serve until told to stop."""
        self._entrance = Entrance()
        watch = gevent.spawn(ClientWatch(self._clients).run)
        try:
            super().run()
        finally:
            watch.kill(block=False)

    def load_wsgi(self) -> None:
        """The application. What it cannot start without is told in one sentence, and not by a traceback."""
        tune(self.cfg)
        from sqlalchemy.exc import SQLAlchemyError

        from tollhouse.domain.errors import TollhouseError

        try:
            super().load_wsgi()
            keep_what_is_there()
        except (TollhouseError, SQLAlchemyError) as error:
            if not _first_to_fail.acquire(block=False):
                self._await_end()
            sentence = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            print(f"tollhouse web: {sentence}", file=sys.stderr, flush=True)  # noqa: T201 - before anyone listens
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def _await_end(self) -> NoReturn:
        """The arbiter stops all for the first worker that fails to start; a second one it meets with a traceback."""
        while self.alive and self.ppid == os.getppid():
            gevent.sleep(0.1)
        sys.exit(0)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """One connection."""
        bounded = ClientSocket(client, self._stall_seconds, self._turnstile, self._entrance)
        self._clients.add(bounded)
        try:
            # Past gunicorn's gevent worker, whose own method does no more than take every bound away.
            super(GeventWorker, self).handle(listener, bounded, addr)
        finally:
            self._clients.discard(bounded)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """What is no request, or was answered by nobody else. gunicorn would log and send back what it cannot read."""
        if isinstance(exc, Exception):
            from tollhouse.web.refusals import refusal

            client.answer_at_once(refusal(exc, client.head_start, str(addr[0]) if addr else ""))

    def timeout_ctx(self) -> Any:
        """What gunicorn waits for a request in. The socket knows better what it waits for."""
        return nullcontext()

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        """One request, read to its end: the next one begins after its body."""
        # gunicorn would ask for a body that may not be wanted: whoever reads it asks.
        sock.begin_request(asks_first=req._expected_100_continue)
        req._expected_100_continue = False
        try:
            try:
                super().handle_request(listener_name, req, sock, addr)
            finally:
                sock.unwatch()
        except ClientGone:
            raise StopIteration from None
        except StopIteration:
            # A connection that is closed before all was read of it is reset, and its last answer lost.
            _finish_body(req, sock)
            raise
        if not _finish_body(req, sock):
            raise StopIteration
        sock.end_request()

    def notify(self) -> None:
        """Once a second. Where the arbiter has died, stop as if told to; gunicorn would cut all replies."""
        super(GeventWorker, self).notify()
        if self.alive and self.ppid != os.getppid():
            self.handle_exit(signal.SIGTERM, None)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop when the open requests are answered. gunicorn would also wait for clients that have none."""
        if not self._is_leaving and self.age <= replaced.value and _youngest.value <= self.age:
            self._is_leaving = True
            gevent.spawn(self._await_successor, sig, frame)
            return
        super().handle_exit(sig, frame)
        if self.ppid != os.getppid():
            # A successor waits for the address.
            gevent.spawn(self._stop_accepting)
        gevent.spawn(self._end_idle)

    def _await_successor(self, sig: int, frame: Any) -> None:
        """Without it, whoever connects would wait for as long as a process takes to start."""
        until = time.monotonic() + SUCCESSOR_SECONDS
        while _youngest.value <= self.age and time.monotonic() < until:
            gevent.sleep(0.05)
        self.handle_exit(sig, frame)

    def _stop_accepting(self) -> None:
        for server in self._servers:
            server.close()

    def _end_idle(self) -> None:
        while True:
            for client in [*self._clients]:
                client.end_unless_busy(REST_SECONDS_AT_END)
            gevent.sleep(0.1)


def _finish_body(request: Any, client: ClientSocket) -> bool:
    """Read what is left of the body; False when that is too much, and the connection has to end."""
    if client.asks_first:
        return False  # nobody has asked for it, and whether it comes is the client's affair
    client.end_body_in(MOST_DRAINED_SECONDS)
    drained = 0
    while drained < MOST_DRAINED_BYTES:
        try:
            data = request.body.read(65_536)
        except Exception:  # noqa: BLE001 - a body that is broken or does not come ends its connection
            return False
        if not data:
            return True
        drained += len(data)
    return False
