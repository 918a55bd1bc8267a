"""As much of protobuf as spans are written in: https://protobuf.dev/programming-guides/encoding/"""

_SHORT = [bytes((number,)) for number in range(128)]
_NEGATIVE = 1 << 64


def varint(number: int) -> bytes:
    """A whole number, of 64 bits at most; those below zero as the field types int32 and int64 have them."""
    if 0 <= number < 128:
        return _SHORT[number]
    if number < 0:
        number += _NEGATIVE
    if not 0 <= number < _NEGATIVE:
        raise OverflowError("a number of more than 64 bits")
    written = bytearray()
    while number > 127:
        written.append(number & 127 | 128)
        number >>= 7
    written.append(number)
    return bytes(written)


def field(tag: bytes, content: bytes) -> bytes:
    """A field of text or of a message; `tag` is its number and its kind in one byte."""
    return b"%b%b%b" % (tag, varint(len(content)), content)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that stands there, and where it ends. Raises IndexError where it does not end."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, at
