"""What a setting may be: each reads a text, raises ValueError for what is not one, and has in its docstring what is."""

import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_EMAIL = re.compile(r"[^@\s,<>]+@[^@\s,<>]+\Z")
_WEB_ADDRESS = re.compile(r"https?://[A-Za-z0-9.\[\]:_-]+(/[!$%&'()*+,\-./0-9:;=?@A-Z_a-z~]*)?\Z")
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()/-]*)?\Z")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+\Z")
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+\Z")
_ISSUER = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?\Z")
_HERE = ("localhost", "127.0.0.1", "::1")


def setting(name: str, doc: str, default: Any, read: Callable[[str], Any] = str, *, secret: bool = False) -> Any:
    """A field of `Settings`, with all that there is to know of it."""
    metadata = {"name": name, "doc": doc, "read": read, "secret": secret}
    if callable(default):
        return field(default_factory=default, metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


def whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise ValueError
        return number

    read.__doc__ = f"a whole number from {least} to {most}"
    return read


def days_from(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text)
        if number and not least <= number <= 36500:
            raise ValueError
        return number

    read.__doc__ = f"0, or a whole number of days from {least} to 36500"
    return read


def seconds(least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        number = float(text)
        if not least <= number <= most:
            raise ValueError
        return number

    read.__doc__ = f"seconds from {least:g} to {most:g}"
    return read


def one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    read.__doc__ = "one of " + ", ".join(words)
    return read


def words(text: str) -> tuple[str, ...]:
    """texts, by comma"""
    return tuple(one.strip() for one in text.split(",") if one.strip())


def addresses(text: str) -> tuple[str, ...]:
    """e-mail addresses, by comma"""
    found = words(text)
    if not all(_EMAIL.match(one) for one in found):
        raise ValueError
    return found


def web_address(text: str) -> str:
    """an address such as https://hooks.example.com/services/x"""
    if not _WEB_ADDRESS.match(text):
        raise ValueError
    return text


def bucket(text: str) -> str:
    """a bucket and what names in it begin with, such as s3://bucket/tollhouse"""
    if not _BUCKET.match(text):
        raise ValueError
    return text.rstrip("/")


def signing_secret(text: str) -> str:
    """a secret such as whsec_… with 24 to 64 bytes in base64"""
    if not text.startswith("whsec_") or not 24 <= len(b64decode(text[6:], validate=True)) <= 64:
        raise ValueError
    return text


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """addresses and networks, by comma, such as 10.0.0.0/8, ::1"""
    return tuple(ip_network(one.strip()) for one in text.split(","))


def origins(text: str) -> tuple[str, ...]:
    """origins, by comma, such as https://app.example.com"""
    origins = tuple(one.strip().rstrip("/") for one in text.split(","))
    if not all(_ORIGIN.match(one) for one in origins):
        raise ValueError
    return origins


def address(text: str) -> str:
    """an address such as https://gateway.example.com"""
    if not _ORIGIN.match(text.rstrip("/")):
        raise ValueError
    return text.rstrip("/")


def issuer(text: str) -> str:
    """an address such as https://login.example.com/realms/staff (http:// on this machine only)"""
    if not _ISSUER.match(text) or (text.startswith("http://") and urlsplit(text).hostname not in _HERE):
        raise ValueError
    return text


def domains(text: str) -> tuple[str, ...]:
    """domains, by comma, such as example.com, example.org"""
    domains = tuple(one.strip().lower() for one in text.split(","))
    if not all(_DOMAIN.match(one) for one in domains):
        raise ValueError
    return domains


def file(text: str) -> str:
    """a file"""
    path = Path(text).expanduser().absolute()
    if path.is_dir():
        raise ValueError
    return str(path)


def fraction(text: str) -> float:
    """a number from 0 to 1"""
    number = float(text)
    if not 0 <= number <= 1:
        raise ValueError
    return number


def address_with_path(text: str) -> str:
    """an address such as http://127.0.0.1:4318"""
    if not _ISSUER.match(text):
        raise ValueError
    return text.rstrip("/")


def folder(text: str) -> Path:
    """a folder"""
    return Path(text).expanduser().absolute()
