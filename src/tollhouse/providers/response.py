"""One HTTP response, pushed in as bytes."""

from collections.abc import Callable

from geventhttpclient._parser import HTTPParseError, HTTPResponseParser

MOST_HEADER_BYTES = 65536
"""Bytes that are taken in before the header block must have ended, interim (1xx) responses included."""


class MalformedResponse(Exception):
    """The bytes are no HTTP response, or none that is taken."""


class Response(HTTPResponseParser):
    """What has come of a response so far. The C parser calls the methods that begin with `_on_`.

    `is_reusable` says whether the connection may be asked again once the response is complete.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.has_begun = False
        self.has_headers = False
        self.is_complete = False
        self.is_reusable = False
        self._name = ""
        self._value = ""
        self._in_value = False
        self._head_bytes = 0
        self._chunks: list[bytearray] = []
        # The list's own method: a chunk costs no Python frame.
        self._on_body: Callable[[bytearray], None] = self._chunks.append

    def push(self, data: bytes) -> None:
        """Take bytes, or b"" for the end of the connection.

        Raises MalformedResponse; EOFError for an end before the response's own.
        """
        if data:
            self.has_begun = True
        try:
            self.feed(data)
        except HTTPParseError as error:
            if self.is_complete:  # More came than belongs to it.
                self.is_reusable = False
                return
            if not data:
                raise EOFError from error
            raise MalformedResponse(error.args[0]) from error
        if self.is_complete:
            self.is_reusable = bool(self.should_keep_alive())
        elif not self.has_headers:
            if not data:
                raise EOFError
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEADER_BYTES:
                raise MalformedResponse(f"a header block longer than {MOST_HEADER_BYTES} bytes")

    @property
    def is_plain(self) -> bool:
        """Whether the body comes as it was written, not compressed."""
        content, transfer = (
            self.headers.get("content-encoding", ""),
            self.headers.get("transfer-encoding", ""),
        )
        return content.lower() in ("", "identity") and transfer.lower() in ("", "chunked")

    def take(self) -> bytes:
        """The part of the body that came since the last call; b"" when there is none."""
        chunks = self._chunks
        if not chunks:
            return b""
        body = bytes(chunks[0]) if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        return body

    def _on_status(self, _reason: str) -> None:
        pass  # The parser insists on it.

    def _on_message_begin(self) -> None:
        if self.is_complete:
            raise HTTPParseError("a second response")

    def _on_header_field(self, text: str) -> None:
        # Names and values may come in pieces; after a name a value always comes, be it empty.
        if self._in_value:
            self._keep()
            self._name = text
        else:
            self._name += text

    def _on_header_value(self, text: str) -> None:
        self._value += text
        self._in_value = True

    def _keep(self) -> None:
        if not self.has_headers:  # else it is a trailer
            name = self._name.lower()
            before = self.headers.get(name)
            self.headers[name] = self._value if before is None else f"{before}, {self._value}"
        self._name = self._value = ""
        self._in_value = False

    def _on_headers_complete(self) -> None:
        if self._in_value:
            self._keep()
        self.status = self.get_code()
        if self.status >= 200:
            self.has_headers = True
        else:
            self.headers.clear()

    def _on_message_complete(self) -> None:
        self.is_complete = self.has_headers
