"""A form as it is sent on: written anew, so that what was checked is what is sent; its files are read when they go."""

import re
import secrets
from collections.abc import Iterator, Mapping

from tollhouse.domain.form import Form, Part

PIECE = 65_536
_CONTENT_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(?:; ?[\w.+-]+=[\w.+-]+)*", re.ASCII)
_UNSAFE = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})
"""As browsers write names. https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data"""


class FormBody:
    """The form with other values for some of its fields. Its length is known before it is read."""

    def __init__(self, form: Form, values: Mapping[str, str]) -> None:
        self._spool = form.spool
        boundary = f"tollhouse-{secrets.token_hex(16)}"
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._pieces: list[bytes | Part] = []
        for part in form.parts:
            value = values.get(part.name)
            self._pieces.append(_head(part, boundary))
            self._pieces += [part if value is None else value.encode(), b"\r\n"]
        self._pieces.append(f"--{boundary}--\r\n".encode())
        self._size = sum(piece.size if isinstance(piece, Part) else len(piece) for piece in self._pieces)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        """Pieces of at most about `PIECE` bytes."""
        small = b""
        for piece in self._pieces:
            if isinstance(piece, bytes):
                small += piece
                continue
            for start in range(0, piece.size, PIECE):
                yield small + self._spool.read(piece.start + start, min(PIECE, piece.size - start))
                small = b""
        yield small


def _head(part: Part, boundary: str) -> bytes:
    lines = [f"--{boundary}", f'content-disposition: form-data; name="{part.name.translate(_UNSAFE)}"']
    if part.filename is not None:
        lines[1] += f'; filename="{part.filename.translate(_UNSAFE)}"'
    if part.content_type is not None and _CONTENT_TYPE.fullmatch(part.content_type):
        lines.append(f"content-type: {part.content_type}")
    return "\r\n".join([*lines, "", ""]).encode()
