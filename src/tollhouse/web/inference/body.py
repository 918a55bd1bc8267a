"""A request's JSON, read piece by piece, each of which is counted."""

from collections.abc import Mapping
from typing import Any

from werkzeug.sansio.utils import get_content_length

from tollhouse.domain.errors import BadRequest, TooLarge
from tollhouse.web.body_memory import BodyRoom

PIECE = 65_536
"""Bytes; shorter bodies are not counted. As many connections as there may be bound those."""
STEP = 1 << 20
"""Memory is taken for the first so many bytes, then for all that was announced: to announce is cheap."""


def read_body(environ: Mapping[str, Any], longest: int, room: BodyRoom) -> bytes | bytearray:
    """The whole body. Past Werkzeug's own limit, which cuts a body without a length there and says nothing."""
    length = get_content_length(environ.get("CONTENT_LENGTH"), environ.get("HTTP_TRANSFER_ENCODING"))
    if length is None and not environ.get("wsgi.input_terminated"):
        return b""
    if length is not None and length > longest:
        raise _too_large(longest)
    stream = environ["wsgi.input"]
    most = longest + 1 if length is None else length
    text = stream.read(min(PIECE, most))
    if len(text) == PIECE and most > PIECE:
        text = _rest_of(stream, bytearray(text), most, room, known=length is not None)
    if length is None and len(text) > longest:
        raise _too_large(longest)
    if length is not None and len(text) < length:
        raise BadRequest("The body ended before the length that was given for it.")
    whole: bytes | bytearray = text
    return whole


def _rest_of(stream: Any, text: bytearray, most: int, room: BodyRoom, *, known: bool) -> bytearray:
    room.came(len(text))
    while len(text) < most:
        next_step = (len(text) // STEP + 1) * STEP
        room.expect(most if known and len(text) >= STEP else min(most, next_step))
        piece = stream.read(min(PIECE, most - len(text)))
        if not piece:
            break
        room.came(len(piece))
        text += piece
    return text


def _too_large(longest: int) -> TooLarge:
    return TooLarge(f"The body has more than {longest} bytes, the most that this gateway takes.")
