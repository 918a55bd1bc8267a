"""Passwords: kept as argon2id, hashed where that holds up nobody."""

import secrets
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from tollhouse import logs
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.ports import Outside, at_once

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1024


class Passwords:
    """`outside` is where they are hashed: one takes 0.1 s and 64 MiB."""

    def __init__(self, outside: Outside = at_once, hasher: PasswordHasher | None = None) -> None:
        self._outside = outside
        self._hasher = hasher or PasswordHasher()

    def hash(self, password: str) -> str:
        return self._outside(lambda: self._hasher.hash(password))

    def matches(self, known: str | None, password: str) -> bool:
        """Whether the password has this hash. None is nobody's, which takes as long to say."""
        return self._outside(lambda: self._verify(known, password))

    def is_outdated(self, known: str) -> bool:
        """Whether a new hash would have other parameters."""
        return self._hasher.check_needs_rehash(known)

    def _verify(self, known: str | None, password: str) -> bool:
        nobodys = self._nobodys_hash  # for everybody, as the first to ask makes it
        try:
            return self._hasher.verify(known or nobodys, password)
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError) as error:
            logs.event("password_hash_damaged", level=logs.ERROR, error=type(error).__name__)
            return False

    @cached_property
    def _nobodys_hash(self) -> str:
        """What the password of somebody who does not exist is compared with. It has today's parameters."""
        return self._hasher.hash(secrets.token_urlsafe(18))


def check_new_password(password: str, email: str, field: str = "password") -> str:
    """A password that may be set. InvalidField names the field, and never quotes it."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InvalidField(f"{field}: it must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.", param=field)
    if "\x00" in password or len(set(password)) < 4 or password.lower() == email.lower():
        raise InvalidField(f"{field}: it is too easy to guess.", param=field)
    return password


def made_up() -> str:
    """A password for somebody who did not think of one: 144 random bits."""
    return secrets.token_urlsafe(18)
