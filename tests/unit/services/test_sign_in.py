"""Signing in: what is an e-mail address, and what is one attacker."""

from datetime import timedelta

import pytest
from argon2 import PasswordHasher

from tollhouse.domain.errors import InvalidField
from tollhouse.domain.ports import at_once
from tollhouse.services.people.passwords import LONGEST_PASSWORD, Passwords
from tollhouse.services.people.sign_in import SignIn, network_of
from tollhouse.services.people.sign_in_throttle import SignInThrottle
from tollhouse.services.people.token_keys import TokenKeys
from tollhouse.services.people.tokens import Tokens
from tollhouse.store.database import Database


@pytest.fixture
def sign_in() -> SignIn:
    """One whose database has no tables: whoever asks it fails otherwise than these tests expect."""
    database = Database("sqlite:////nonexistent/x.db")
    passwords = Passwords(at_once, PasswordHasher(1, 8, 1))
    return SignIn(database, SignInThrottle(database), passwords, Tokens(database, TokenKeys("key"), timedelta(days=1)))


@pytest.mark.parametrize("email", ["", "  ", "a@b\n", "a@\x00b", "a\x1b[31m@b", "a@b\u202e.example", "@" * 321])
def test_what_is_no_email_address_is_refused_before_the_database_is_asked(sign_in: SignIn, email: str) -> None:
    with pytest.raises(InvalidField) as raised:
        sign_in.sign_in(f"x{email}y" if email.strip() else email, "password", "192.0.2.1")
    assert raised.value.param == "email"


def test_a_password_that_would_take_long_to_hash_is_refused(sign_in: SignIn) -> None:
    with pytest.raises(InvalidField) as raised:
        sign_in.sign_in("a@b", "x" * (LONGEST_PASSWORD + 1), "192.0.2.1")
    assert raised.value.param == "password"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9%eth0", "2001:db8:1:2::/64"),
        ("", ""),
        ("x" * 100, "x" * 64),
    ],
)
def test_one_attacker_is_an_ipv4_address_or_a_64_of_ipv6(address: str, network: str) -> None:
    assert network_of(address) == network
