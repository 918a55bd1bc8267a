"""Sees clients that leave while nothing is written to them, and ends their calls."""

import select
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

import gevent
from gevent.monkey import get_original

from tollhouse import logs
from tollhouse.web.client_socket import ClientSocket

WATCH_SECONDS = 0.5

_new_poll = get_original("select", "poll")  # gevent's own is a greenlet's wait
_HUNG_UP = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
"""POLLRDHUP is Linux's: it tells of an end behind bytes that nobody has read yet."""


class ClientWatch:
    """One for a process: a system call now and then for all calls, and none of a call's own.

    A client that has only ended its sending counts as gone too, as it does to nginx and to Go: nothing tells
    it from one that has closed, and HTTP clients that wait for an answer do not do that. Bytes that came early,
    the next request, are no hang-up.
    """

    def __init__(self, clients: Collection[ClientSocket]) -> None:
        self._clients = clients

    def run(self) -> NoReturn:
        """Look for ever."""
        while True:
            gevent.sleep(WATCH_SECONDS)
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - whatever it is, the others are watched
                logs.event("client_watch_failed", level=logs.ERROR, error=error)

    def look(self) -> None:
        """End the calls of those who have left."""
        poll = _new_poll()
        watched = {}
        for client in self._clients:
            if client.is_watched:
                number = client.fileno()
                watched[number] = client
                poll.register(number, select.POLLIN | _HUNG_UP)
        for number, events in poll.poll(0) if watched else ():
            client = watched[number]
            if events & _HUNG_UP or client.is_at_end():
                gevent.get_hub().loop.run_callback(client.end_call)


def begin_in_turn(environ: Mapping[str, Any]) -> None:
    """Wait for the turn of a call of this request, where many came at once."""
    client = environ.get("gunicorn.socket")
    if isinstance(client, ClientSocket):
        client.begin_call()


def end_with_client(environ: Mapping[str, Any]) -> None:
    """The rest of this request, its body being read, ends with ClientGone when the client leaves.

    For calls that cost: what else a request does is done whoever waits for it.
    """
    client = environ.get("gunicorn.socket")
    if isinstance(client, ClientSocket):
        client.watch()
