"""The lines of a file, read in bounded memory; what is no text of lines is told by its reason."""

from collections.abc import Iterator

from tollhouse.domain.ports import OpenBlob

PIECE = 1 << 20
BOM = b"\xef\xbb\xbf"
_PACKED = (b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh")
"""How gzip, zip, zstandard and bzip2 begin."""


class Unreadable(Exception):
    """The file cannot be read on: `code` and `message` say why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def lines_of(blob: OpenBlob, start: int, longest: int) -> Iterator[tuple[int, bytes]]:
    """Each line from that byte on with where it begins, without its end. Raises Unreadable."""
    rest = b""
    at = start
    while piece := blob.read(at + len(rest), PIECE):
        rest += piece
        if at == 0:
            _refuse_packed(rest)
        *lines, rest = rest.split(b"\n")
        for line in lines:
            _refuse_long(line, longest)
            yield at, line
            at += len(line) + 1
        _refuse_long(rest, longest)
    if rest:
        yield at, rest


def _refuse_long(line: bytes, longest: int) -> None:
    if len(line) > longest:
        raise Unreadable("line_too_long", f"The line has more than {longest} bytes.")


def _refuse_packed(head: bytes) -> None:
    if head.startswith(_PACKED):
        raise Unreadable("compressed_file", "The file is compressed: upload the JSON Lines themselves.")
    if head.startswith(BOM):
        raise Unreadable(
            "byte_order_mark", "The file begins with a byte order mark (BOM): save it as UTF-8 without one."
        )
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unreadable("invalid_encoding", "The file is UTF-16: save it as UTF-8.")
