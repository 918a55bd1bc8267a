"""What a name may be."""

import re
import unicodedata

from tollhouse.domain.errors import InvalidField

LONGEST_EMAIL = 320
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


def check_model_name(name: str) -> str:
    """The name of a model, which may end in `*`, as `openai/*`: it then stands for all that begin so."""
    slug = name.strip().removesuffix("*")
    if slug == name.strip():
        return check_slug(name, "name", 200)
    if not slug:
        raise InvalidField("name: before the * there must be something, as in openai/*.", param="name")
    return f"{check_slug(slug, 'name', 199)}*"


def upstream_name(name: str) -> str:
    """What a model is called at its host where nobody says: as it is here, or what the star stands for."""
    return "*" if name.endswith("*") else name


def check_email(email: str, field: str = "email") -> str:
    """An e-mail address as it is kept, in small letters. InvalidField names the field."""
    email = email.strip().lower()
    local, at, domain = email.rpartition("@")
    # `isprintable` is false for control and format characters, and for line ends of every kind.
    good = at and local and domain and len(email) <= LONGEST_EMAIL and email.isprintable()
    if not good or any(character in ' ,;<>()[]"\\' for character in email):
        raise InvalidField(
            f"{field}: this must be an e-mail address of at most {LONGEST_EMAIL} characters.", param=field
        )
    return email
