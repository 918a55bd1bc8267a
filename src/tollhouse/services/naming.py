"""What a name may be."""

import re
import unicodedata

from tollhouse.domain.errors import InvalidField

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*\Z")


def check_name(name: str, field: str, longest: int = 200) -> str:
    """A name for people to read: any script, no control characters. InvalidField names the field."""
    name = name.strip()
    if not name:
        raise InvalidField(f"{field}: it is empty.", param=field)
    if len(name) > longest:
        raise InvalidField(f"{field}: it is longer than {longest} characters.", param=field)
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in name):
        raise InvalidField(f"{field}: it has control characters.", param=field)
    return name


def check_slug(name: str, field: str, longest: int = 100) -> str:
    """A name for programs to use, as `gpt-4o-mini` or `openai/gpt-4o`. InvalidField names the field."""
    name = check_name(name, field, longest)
    if not _SLUG.match(name):
        raise InvalidField(f"{field}: {name[:40]!r} may have letters, digits and . _ : / @ + - only.", param=field)
    return name
