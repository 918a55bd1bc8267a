"""How long a recording is, as far as its bytes tell."""

import struct

HEAD_BYTES = 4096
"""Where what is needed of a recording is, in all but odd files."""
LEAST_BYTES_PER_SECOND = 2000
"""16 kbit/s, the least that RFC 7587, "Recommended Bitrate", has for wideband speech in Opus, of common codecs the
thriftiest. No vendor publishes how it measures; sound like a telephone's, from 8 kbit/s, is taken for half as long as
it may be. https://www.rfc-editor.org/rfc/rfc7587#section-3.1.1"""

_PCM = (1, 3)
"""Format tags of samples that are not compressed. https://www.rfc-editor.org/rfc/rfc2361"""


def duration(head: bytes, size: int) -> tuple[int, bool]:
    """Thousandths of a second, and whether it is no longer than that; else it is a guess on the long side."""
    rate = _bytes_per_second(head)
    return -(-size * 1000 // (rate or LEAST_BYTES_PER_SECOND)), rate is not None


def _bytes_per_second(head: bytes) -> int | None:
    """Of a WAV whose samples are not compressed and whose header is consistent, whatever its reader goes by."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    position = 12
    while position + 24 <= len(head):
        name, length = head[position : position + 4], int.from_bytes(head[position + 4 : position + 8], "little")
        if name == b"fmt ":
            tag, channels, rate, per_second, per_frame, bits = struct.unpack_from("<HHIIHH", head, position + 8)
            consistent = per_frame == channels * -(-bits // 8) and per_second == rate * per_frame
            return per_second if tag in _PCM and consistent and per_second else None
        position += 8 + length + length % 2
    return None
