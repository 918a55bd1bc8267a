"""Whom a call is made for."""

from typing import Any

import pytest

from tollhouse.wire.end_user import LONGEST, end_user_of


@pytest.mark.parametrize(
    ("body", "end_user"),
    [
        ({}, None),
        ({"user": "customer-17"}, "customer-17"),
        ({"safety_identifier": "hashed"}, "hashed"),
        ({"user": "a", "safety_identifier": "b", "metadata": {"user_id": "c"}}, "a"),
        ({"metadata": {"user_id": "user_1"}}, "user_1"),
        ({"metadata": None}, None),
        ({"metadata": {"user_id": None}}, None),
        ({"metadata": "user_id"}, None),
        ({"user": ""}, None),
        ({"user": 7}, None),
        ({"user": ["a"]}, None),
        ({"user": "é 名前"}, "é 名前"),
        ({"user": "a\0b\nc\ud800"}, "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c\N{REPLACEMENT CHARACTER}"),
        ({"user": "x" * (LONGEST + 1)}, "x" * LONGEST),
    ],
)
def test_it_is_what_the_call_says_in_its_vendors_own_field(body: dict[str, Any], end_user: str | None) -> None:
    assert end_user_of(body) == end_user
