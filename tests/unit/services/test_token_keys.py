"""Tokens are signed with the newest secret, and those of the others are good until these are forgotten."""

import pytest

from tollhouse.domain.errors import InvalidToken
from tollhouse.services.people.token_keys import TokenKeys


def test_a_token_names_the_key_that_it_was_signed_with() -> None:
    keys = TokenKeys("old")
    signed = keys.newest_id, keys.newest
    keys.use("new", "old")
    assert keys.newest_id != signed[0]
    assert keys.of({"kid": signed[0]}) == signed[1]
    assert keys.of({"kid": keys.newest_id}) == keys.newest == TokenKeys("new").newest


@pytest.mark.parametrize("kid", ["", "another", None, 7, ["a"], {}])
def test_a_token_of_no_key_of_ours_is_refused(kid: object) -> None:
    with pytest.raises(InvalidToken):
        TokenKeys("a secret").of({"kid": kid})


def test_a_token_of_a_secret_that_was_forgotten_is_refused() -> None:
    keys = TokenKeys("old")
    old = keys.newest_id
    keys.use("new")
    with pytest.raises(InvalidToken):
        keys.of({"kid": old})
