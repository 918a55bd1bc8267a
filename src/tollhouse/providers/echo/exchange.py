"""An exchange that comes from no network: what the echo provider says, when it was told to say it."""

import time
from collections.abc import Iterator, Mapping
from math import inf

from tollhouse.domain.errors import InvalidField, UpstreamError, UpstreamGone, UpstreamRefused
from tollhouse.domain.ports import Outgoing
from tollhouse.domain.routes import Host
from tollhouse.providers.deadlines import Deadlines
from tollhouse.providers.echo.answer import FORMATS, answer
from tollhouse.providers.echo.options import EchoOptions, read_options
from tollhouse.providers.echo.reply import EchoReply


def open_echo(host: Host, outgoing: Outgoing, deadlines: Deadlines) -> "EchoExchange":
    """Wait as long as the host's options say, and answer. Raises UpstreamRefused, UpstreamTimeout."""
    try:
        options = read_options(host.base_url)
    except InvalidField as error:
        raise UpstreamRefused(f"Provider {host.name} cannot be called. {error.message}") from None
    if outgoing.format not in FORMATS:
        raise UpstreamRefused(f"Provider {host.name} does not speak the format {outgoing.format}.")
    exchange = EchoExchange(answer(outgoing.format, outgoing.whole, options), options, deadlines, host.name)
    exchange.wait_for_status()
    return exchange


class EchoExchange:
    """An answer that is made while it is read. It holds nothing that has to be given back."""

    def __init__(self, reply: EchoReply, options: EchoOptions, deadlines: Deadlines, name: str) -> None:
        self.status = reply.status
        headers = {"content-type": reply.content_type}
        if options.status is not None and options.retry_after is not None:
            headers["retry-after"] = str(options.retry_after)
        self.headers: Mapping[str, str] = headers
        self._reply = reply
        self._options = options
        self._deadlines = deadlines
        self._name = name
        self._total_by = time.monotonic() + deadlines.total
        self._is_silent = True
        self._ended: UpstreamError | None = None
        self._chunks = self._told() if reply.status == 200 else iter(reply.whole)

    @property
    def returned(self) -> Mapping[str, str]:
        return {}

    def wait_for_status(self) -> None:
        self._wait(self._options.delay_ms / 1000)

    def read(self) -> bytes:
        """The next event of a stream, or a whole reply; b"" at the end.

        Raises UpstreamTimeout, UpstreamGone.
        """
        if self._ended:
            raise self._ended
        try:
            chunk = next(self._chunks, b"")
        except UpstreamError as error:
            self._ended = error
            raise
        self._is_silent = False
        return chunk

    def close(self) -> None:
        self._ended = self._ended or UpstreamGone(f"The call to provider {self._name} was closed before its end.")

    def _told(self) -> Iterator[bytes]:
        """The reply, as far as the options let it come."""
        after, how = self._options.stop or (-1, "")
        if after == 0 and (self._reply.events or how != "error"):
            yield from self._stop(how)
            return
        for body in self._reply.whole:
            if how in ("cut", "silent"):
                yield body[: len(body) // 2]
                yield from self._stop(how)
                return
            yield body
        spoken = 0
        for event, is_word in self._reply.events:
            if is_word and spoken:
                self._wait(self._options.chunk_ms / 1000)
            yield event
            spoken += is_word
            if spoken == after:
                yield from self._stop(how)
                return

    def _stop(self, how: str) -> Iterator[bytes]:
        if how == "cut":
            raise UpstreamGone(f"Provider {self._name} closed the connection in the middle of its answer.")
        if how == "silent":
            self._wait(inf)
        yield self._reply.error_event

    def _wait(self, seconds: float) -> None:
        """Sleep, but no longer than a host may be waited for."""
        patience = self._deadlines.first_byte if self._is_silent else self._deadlines.idle
        left = self._total_by - time.monotonic()
        if pause := min(seconds, patience, left):
            time.sleep(max(pause, 0))
        if seconds > left <= patience:
            raise self._deadlines.total_passed(self._name)
        if seconds > patience:
            passed = self._deadlines.first_byte_passed if self._is_silent else self._deadlines.idle_passed
            raise passed(self._name)
