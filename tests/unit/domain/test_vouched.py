from datetime import UTC, datetime
from typing import Any

import pytest

from tollhouse.domain.vouched import Vouched

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("claims", "claim", "names"),
    [
        ({"groups": ["a", "b"]}, "groups", ("a", "b")),
        ({"groups": "a b"}, "groups", ("a b",)),
        ({"groups": ["a", 7, None, ["b"]]}, "groups", ("a",)),
        ({"groups": {"a": 1}}, "groups", ()),
        ({}, "groups", ()),
        ({"realm_access": {"roles": ["a"]}}, "realm_access.roles", ("a",)),
        ({"realm_access": ["roles"]}, "realm_access.roles", ()),
        ({"https://example.com/teams": ["a"]}, "https://example.com/teams", ("a",)),
        ({"a.b": ["x"], "a": {"b": ["y"]}}, "a.b", ("x",)),
        ({"_claim_names": {"groups": "src1"}}, "groups", None),
        ({"_claim_names": ["groups"]}, "groups", ()),
    ],
)
def test_a_claim_lists_names_or_is_one(claims: dict[str, Any], claim: str, names: tuple[str, ...] | None) -> None:
    assert Vouched("i", "s", None, NOW, NOW, claims).names(claim) == names


def test_what_else_a_token_says_is_not_logged_with_it() -> None:
    assert "secret" not in repr(Vouched("i", "s", None, NOW, NOW, {"x": "secret"}))
