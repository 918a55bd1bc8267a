"""A provider's batch interface, asked by errands."""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from typing import IO, Any

from tollhouse.domain.errors import OutOfSpace, UpstreamError, UpstreamInvalid, UpstreamRejected
from tollhouse.domain.ports import BatchHosts, Errand, Exchange
from tollhouse.domain.routes import Host, HostKey
from tollhouse.services.calls.acceptance import read_error
from tollhouse.wire import json_text
from tollhouse.wire.host_batch import BatchInterface, HostBatch, HostResult
from tollhouse.wire.host_error import read_host_error
from tollhouse.wire.host_limits import wished_pause

LONGEST_DOCUMENT = 8 << 20
MOST_PAGES = 20
"""Of a provider's batches, among which one is looked for."""


class Desk:
    """Of one provider, with one of its keys. All of it raises UpstreamError."""

    def __init__(
        self, hosts: BatchHosts, host: Host, key: HostKey | None, interface: BatchInterface, *, longest_line: int
    ) -> None:
        self._hosts = hosts
        self._host = host
        self._key = key
        self._interface = interface
        self._longest_line = longest_line

    def upload(self, lines: "Spooled", mark: str) -> Any:
        """What the provider says to the lines: the id of the file that they are, or the batch."""
        return self._ask(self._interface.send(lines, lines.size, mark))

    def file_id(self, document: Any) -> str:
        """Of what was uploaded."""
        try:
            return self._interface.read_file(document)
        except ValueError as error:
            raise self._odd(error) from None

    def create(self, file_id: str, format: str, mark: str) -> HostBatch:
        """A batch of what was uploaded."""
        return self.read(self._ask(self._interface.create(file_id, format, mark)))

    def look(self, batch_id: str) -> HostBatch:
        """How it gets on."""
        return self.read(self._ask(self._interface.look(batch_id)))

    def cancel(self, batch_id: str) -> None:
        """Nothing more of it is to be done. Where it has ended, that is no error."""
        try:
            self._ask(self._interface.cancel(batch_id))
        except UpstreamRejected as error:
            if error.upstream_status not in (400, 404, 409):
                raise

    def since(self, moment: float) -> Iterator[HostBatch]:
        """What was made there since that Unix second, the newest first."""
        after = None
        for _ in range(MOST_PAGES):
            document = self._ask(self._interface.page(after))
            try:
                page = self._interface.read_page(document)
            except ValueError as error:
                raise self._odd(error) from None
            yield from (batch for batch in page.batches if batch.created_at >= moment)
            after = page.after
            if after is None or page.batches[-1].created_at < moment:
                return

    def results(self, batch: HostBatch) -> Iterator[HostResult]:
        """As they come, in any order; what is no result is left out."""
        for errand in self._interface.results(batch):
            for line in self._lines(errand):
                try:
                    yield self._interface.read_result(line)
                except ValueError:
                    continue

    def clear(self, batch: HostBatch, file_id: str | None) -> None:
        """Delete there what was sent and answered, as far as that can be done."""
        for errand in self._interface.clear(batch, file_id):
            try:
                self._ask(errand)
            except UpstreamRejected:
                continue

    def read(self, document: Any) -> HostBatch:
        """A batch, as the provider shows it."""
        try:
            return self._interface.read(document)
        except ValueError as error:
            raise self._odd(error) from None

    def _ask(self, errand: Errand) -> Any:
        with closing(self._hosts.run_errand(self._host, errand, self._key)) as exchange:
            self._expect_success(exchange)
            body = bytearray()
            while piece := exchange.read():
                body += piece
                if len(body) > LONGEST_DOCUMENT:
                    raise UpstreamInvalid(f"The provider {self._host.name} says more of its batches than can be read.")
            return json_text.read_leniently(bytes(body))

    def _lines(self, errand: Errand) -> Iterator[bytes]:
        with closing(self._hosts.run_errand(self._host, errand, self._key)) as exchange:
            self._expect_success(exchange)
            rest = bytearray()
            while piece := exchange.read():
                begun = len(rest)
                rest += piece
                if piece.find(b"\n") < 0:
                    if begun > self._longest_line:
                        raise UpstreamInvalid(f"The provider {self._host.name} sent a result that is too long.")
                    continue
                *lines, left = bytes(rest).split(b"\n")
                rest = bytearray(left)
                yield from (line for line in lines if line.strip())
            if rest.strip():
                yield bytes(rest)

    def _expect_success(self, exchange: Exchange) -> None:
        if 200 <= exchange.status < 300:
            return
        body = read_error(exchange, self._host)
        said = read_host_error(json_text.read_leniently(body), exchange.status).message[:200]
        # A provider that refuses its credential may quote it.
        words = f": {said}" if said and exchange.status not in (401, 403) else ""
        raise UpstreamRejected(
            f"The provider {self._host.name} answered with status {exchange.status}{words}",
            status=exchange.status,
            body=body,
            retry_after=wished_pause(exchange.headers),
        )

    def _odd(self, error: ValueError) -> UpstreamError:
        return UpstreamInvalid(f"The provider {self._host.name} sent what is no batch of its kind ({error}).")


class Spooled:
    """Lines that are put aside until they are sent, on this machine's disk. Close it."""

    def __init__(self, interface: BatchInterface) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="tollhouse-handover-")  # noqa: SIM115 - see close
        self._interface = interface
        self.lines = self.size = 0

    def add(self, line: bytes) -> None:
        """Raises OutOfSpace."""
        self._write(self._interface.between if self.lines else self._interface.head)
        self._write(line)
        self.lines += 1

    def seal(self) -> None:
        """There are no more. Raises OutOfSpace."""
        self._write(self._interface.tail)
        try:
            self._file.flush()
        except OSError as error:
            raise _no_room(error) from None

    def read(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()

    def _write(self, piece: bytes) -> None:
        try:
            self._file.write(piece)
        except OSError as error:
            raise _no_room(error) from None
        self.size += len(piece)


def _no_room(error: OSError) -> OutOfSpace:
    return OutOfSpace(f"The lines that are to be handed over cannot be put aside ({error.strerror}).")
