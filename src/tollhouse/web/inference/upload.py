"""Reads an upload off its socket in pieces, and puts its files aside: it is never held whole."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Field, File, MultipartDecoder, NeedData, State
from werkzeug.sansio.utils import get_content_length

from tollhouse.domain.errors import BadRequest, InvalidField, TooLarge
from tollhouse.domain.form import Form, Part, Spool
from tollhouse.wire.sound import HEAD_BYTES
from tollhouse.wire.upload import form_only

PIECE = 65_536
MOST_PARTS = 128
LONGEST_HEAD = 16_384
"""Bytes of the headers of one part."""
LONGEST_NAME = 500
"""Characters of a field's or a file's name."""
LONGEST_TEXT = 256 * 1024
"""Bytes of a field that is looked at; a longer one is passed on like a file."""

_AS_IT_IS = ("binary", "8bit", "7bit")


class Aside(Spool, Protocol):
    """Where the parts of an upload are put, one after another. Raises OutOfSpace."""

    size: int
    """Bytes of all that was written."""

    def begin(self, part: Part) -> None:
        """What is written from here on is of this part."""

    def write(self, data: bytes) -> None: ...

    def seal(self) -> None:
        """All of it is written."""

    def close(self) -> None: ...


class Upload:
    """One upload. Read it once; close it once its call is opened."""

    def __init__(self, environ: Mapping[str, Any], longest: int, spool: Aside) -> None:
        """`spool` is where it goes, which is closed with it; `longest` the most bytes of the whole."""
        self._environ = environ
        self._longest = longest
        self._spool = spool
        self._parts: list[Part] = []
        self._fields: dict[str, Any] = {}
        self._part = Part("", 0, 0)
        self._head = b""

    def read(self) -> Form:
        """The form. Raises BadRequest for what is none, TooLarge, OutOfSpace."""
        kind, options = parse_options_header(self._environ.get("CONTENT_TYPE", ""))
        if kind.lower() != "multipart/form-data":
            raise form_only()
        boundary = options.get("boundary", "")
        if not boundary or not boundary.isascii():
            raise BadRequest("The Content-Type of an upload must say its boundary: multipart/form-data; boundary=…")
        # No more of a body is ever held than a piece of it and the head of a part.
        decoder = MultipartDecoder(boundary.encode(), PIECE + LONGEST_HEAD)
        ended = False
        try:
            for piece in self._pieces():
                decoder.receive_data(piece)
                ended = ended or self._take(decoder)
                if ended:
                    break
        except RequestEntityTooLarge:
            raise BadRequest("The upload has no part where one must begin: check the boundary.") from None
        except ValueError:  # of which UnicodeDecodeError is one
            raise BadRequest("The upload has a part whose headers cannot be read.") from None
        if not ended:
            raise BadRequest("The upload ended before its last boundary.")
        self._spool.seal()
        return Form(tuple(self._parts), self._fields, self._spool, self._spool.size)

    def close(self) -> None:
        self._spool.close()

    def _pieces(self) -> Iterator[bytes]:
        environ, longest = self._environ, self._longest
        length = get_content_length(environ.get("CONTENT_LENGTH"), environ.get("HTTP_TRANSFER_ENCODING"))
        if length is None and not environ.get("wsgi.input_terminated"):
            length = 0
        stream, got = environ["wsgi.input"], 0
        while length is None or got < length:
            if (length or 0) > longest:
                raise _too_large(longest)
            piece = stream.read(PIECE if length is None else min(PIECE, length - got))
            if not piece:
                if length is not None:
                    raise BadRequest("The upload ended before the length that was given for it.")
                return
            got += len(piece)
            if got > longest:
                raise _too_large(longest)
            yield piece
            time.sleep(0)  # a client that always has more would keep the loop to itself

    def _take(self, decoder: MultipartDecoder) -> bool:
        """Everything that is decoded so far; whether it is at its end."""
        while not isinstance(event := decoder.next_event(), NeedData):
            if isinstance(event, (Field, File)):
                self._begin(event)
            elif isinstance(event, Data):
                self._add(event)
        return decoder.state is State.EPILOGUE

    def _begin(self, event: Field | File) -> None:
        name = event.name
        filename = event.filename if isinstance(event, File) else None
        if not name or len(name) > LONGEST_NAME:
            raise BadRequest(f"Each part of an upload needs a name of at most {LONGEST_NAME} characters.")
        if len(self._parts) == MOST_PARTS:
            raise BadRequest(f"The upload has more than {MOST_PARTS} parts.")
        if len(filename or "") > LONGEST_NAME:
            raise InvalidField(f"{name}: its file name has more than {LONGEST_NAME} characters.", param=name)
        if event.headers.get("content-transfer-encoding", "binary").lower() not in _AS_IT_IS:
            raise InvalidField(f"{name}: it must be sent as it is, in no transfer encoding.", param=name)
        kind = event.headers.get("content-type")
        self._part, self._head = Part(name, self._spool.size, 0, filename, kind), b""
        self._spool.begin(self._part)

    def _add(self, event: Data) -> None:
        part = self._part
        self._spool.write(event.data)
        kept = LONGEST_TEXT if part.filename is None else HEAD_BYTES
        if len(self._head) < kept:
            self._head += event.data[: kept - len(self._head)]
        if not event.more_data:
            size = self._spool.size - part.start
            head = b"" if part.filename is None else self._head
            self._parts.append(replace(part, size=size, head=head))
            known = self._text(size) if part.filename is None else {"filename": part.filename, "size": size}
            if part.name not in self._fields:
                self._fields[part.name] = known
            elif isinstance(before := self._fields[part.name], list):
                before.append(known)
            else:
                self._fields[part.name] = [before, known]

    def _text(self, size: int) -> str | None:
        """A field's text; None for one that is too long to be looked at."""
        try:
            return self._head.decode() if size <= LONGEST_TEXT else None
        except UnicodeDecodeError:
            raise InvalidField(f"{self._part.name}: it is not UTF-8.", param=self._part.name) from None


def _too_large(longest: int) -> TooLarge:
    return TooLarge(f"The upload has more than {longest} bytes, the most that this gateway takes.")
