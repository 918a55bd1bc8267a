"""What may be written to a terminal, and how wide it is there."""

import unicodedata

_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def printable(text: str) -> str:
    r"""The text on one line, with what could steer a terminal written out, as \x1b."""
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in _UNSEEN else character
        for character in text
    )


def harmless(text: str) -> str:
    """Running text, which may have lines and tabs, without the characters that steer a terminal."""
    return "".join(one for one in text if one in "\n\t" or unicodedata.category(one) not in ("Cc", "Cs"))


def columns(text: str) -> int:
    """How many columns the text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_columns_of(character) for character in text)


def cut(text: str, most: int) -> str:
    """The text in at most so many columns, with an ellipsis where something is left out."""
    if columns(text) <= most:
        return text
    kept, room = "", most - 1
    for character in text:
        room -= _columns_of(character)
        if room < 0:
            break
        kept += character
    return kept + "…"


def _columns_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
