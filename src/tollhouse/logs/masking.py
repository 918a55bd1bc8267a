"""What looks like a secret is masked in every line, last before it is written.

This is the second fence: nothing hands a secret to a log in the first place.
"""

import re

MASK = b"***"

# Each alternative is what stays, in a group, and then what goes. What goes has neither quote nor backslash
# in it, so JSON stays JSON; and a number behind a name, as in {"password": 1}, is left alone.
_NAMED = rb"""(?ix)
    ( %s (?: [_-]? key )? (\\* ["']) \s* : \s* b? \2 (?: (?: bearer | basic ) \s )? ) [^"'\\]+
    | (
        %s (?: [_-]? key )? \s* [:=] \s*
        (?: (?: \\ \\ )* \\ ["'] | ' )?  # in JSON, a quote behind an odd number of backslashes ends no string
        (?: (?: bearer | basic ) \s )?
      ) [^\s"'\\,;&})]+
"""
_NO_SENTENCE = rb"(?! secret [_-]? key : \s (?-i: [a-z]{1,11} \s [a-z] ) )"
"""What follows the name of the setting and a colon may be words that say what to do; a key has 32 characters."""
_SECRETS = {
    b"sk-": rb"((?<![a-zA-Z0-9])sk-(?:th-|ant-|proj-)?)[a-zA-Z0-9_-]{8,}",
    b"whsec_": rb"((?<![a-zA-Z0-9])whsec_)[a-zA-Z0-9+/=]{8,}",
    b"eyj": rb"(\beyJ)[a-zA-Z0-9_-]{8,}\.[a-zA-Z0-9_.-]+",
    b"://": rb"(://[^\s/\"'\\:@]*:)[^\s/\"'\\]+(?=@)",
    b"bearer": rb"(?i)(\bbearer\s+)[^\s\"'\\,]{6,}",
    b"authorization": _NAMED % ((b"authorization",) * 2),
    b"password": _NAMED % ((b"password",) * 2),
    b"secret": _NAMED % (b"secret", _NO_SENTENCE + b"secret"),
    b"api-key": _NAMED % ((b"api-key",) * 2),
    b"api_key": _NAMED % ((b"api_key",) * 2),
}
"""What to replace, by what the lower-cased line must have in it: a search is cheap, a pattern is not."""

_PATTERNS = tuple((mark, re.compile(pattern)) for mark, pattern in _SECRETS.items())


def mask(line: bytes) -> bytes:
    """`line`, text or JSON, with all that looks like an API key, a token or a password as ***."""
    lower = line.lower()
    for mark, pattern in _PATTERNS:
        if mark in lower:
            line = pattern.sub(lambda found: found[found.lastindex or 0] + MASK, line)
    return line
