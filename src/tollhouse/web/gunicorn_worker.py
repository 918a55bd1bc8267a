"""gunicorn's gevent worker, with clients that cannot hold it: what they leave unread or unsent is bounded."""

import errno
import logging
import sys
import time
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger as GunicornLogger
from gunicorn.workers.ggevent import GeventWorker

from tollhouse.settings import load

MOST_DRAINED_BYTES = 64 * 1024 * 1024
MOST_DRAINED_SECONDS = 5.0
"""How much of a body that nobody wants is read, so that its sender gets to read the answer."""


class Logger(GunicornLogger):
    """gunicorn's own lines, left to the application's logging."""

    def setup(self, cfg: Any) -> None:
        from tollhouse import logs

        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")
        logs.configure(load(), "web")

    def reopen_files(self) -> None:
        """There are none."""


class Worker(GeventWorker):
    """One process; a greenlet for each connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stall_seconds = load().stalled_client_seconds

    def load_wsgi(self) -> None:
        """The application. What it cannot start without is told in one sentence, and not by a traceback."""
        from sqlalchemy.exc import SQLAlchemyError

        from tollhouse.domain.errors import TollhouseError

        try:
            super().load_wsgi()
        except (TollhouseError, SQLAlchemyError) as error:
            sentence = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            print(f"tollhouse web: {sentence}", file=sys.stderr, flush=True)  # noqa: T201 - before anyone listens
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """One connection. Waiting for the client is bounded, where gunicorn's own worker waits for ever."""
        client.settimeout(self._stall_seconds)
        # Past gunicorn's gevent worker, whose own method does no more than take the bound away.
        super(GeventWorker, self).handle(listener, client, addr)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        try:
            answered = super().handle_request(listener_name, req, sock, addr)
        except TimeoutError:
            # gunicorn takes any other error of a socket for a defect, and logs it as one.
            raise ConnectionResetError(errno.ECONNRESET, "the client stalled") from None
        if not _finish_body(req):
            raise StopIteration
        return answered


def _finish_body(request: Any) -> bool:
    """Read what is left of the body; False when that is too much, and the connection has to end."""
    deadline = time.monotonic() + MOST_DRAINED_SECONDS
    drained = 0
    while time.monotonic() < deadline and drained < MOST_DRAINED_BYTES:
        try:
            data = request.body.read(65_536)
        except Exception:  # noqa: BLE001 - a body that is broken or does not come ends its connection
            return False
        if not data:
            return True
        drained += len(data)
    return False
