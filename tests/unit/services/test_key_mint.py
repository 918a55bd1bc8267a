"""Keys are told apart by what they look like, before anybody asks the database."""

import pytest

from tollhouse.services.keys.mint import PREFIX, KeyMint

MINT = KeyMint("a secret for tests that is long enough")


def test_a_key_has_the_prefix_and_forty_letters_and_digits() -> None:
    key = MINT.mint().key
    assert key.startswith(PREFIX)
    assert len(key) == len(PREFIX) + 40
    assert key[len(PREFIX) :].isascii()
    assert key[len(PREFIX) :].isalnum()


def test_no_two_keys_are_the_same() -> None:
    assert len({MINT.mint().key for _ in range(200)}) == 200


def test_a_key_is_known_by_the_secret_that_made_it() -> None:
    key = MINT.mint().key
    assert MINT.stored_as(key)
    assert KeyMint("a secret for tests that is long enough").stored_as(key)


def test_a_key_of_another_secret_is_not_ours() -> None:
    assert not KeyMint("another secret that is long enough as well").stored_as(MINT.mint().key)


def test_a_key_with_any_one_character_changed_is_not_ours() -> None:
    key = MINT.mint().key
    for place in range(len(key)):
        other = "a" if key[place] != "a" else "b"
        assert not MINT.stored_as(key[:place] + other + key[place + 1 :]), place


def test_a_key_that_was_not_copied_whole_is_not_ours() -> None:
    key = MINT.mint().key
    for copied in (key[:-1], key[1:], key + "a", " " + key, key.upper(), key.removeprefix(PREFIX)):
        assert not MINT.stored_as(copied)


@pytest.mark.parametrize("key", ["", "sk-th-", "sk-abc", "\x00" * 46, "sk-th-" + "é" * 40, "sk-th-" + "0" * 100_000])
def test_what_is_no_key_at_all_is_not_ours(key: str) -> None:
    assert not MINT.stored_as(key)


def test_a_line_end_after_a_key_makes_it_another() -> None:
    assert not MINT.stored_as(MINT.mint().key + "\n")


def test_the_digest_is_of_the_whole_key_and_of_the_secret() -> None:
    minted = MINT.mint()
    assert minted.digest == MINT.digest(minted.key)
    assert MINT.digest(minted.key[:-1] + "~") != minted.digest
    assert MINT.digest("~" + minted.key[1:]) != minted.digest
    assert KeyMint("another secret that is long enough as well").digest(minted.key) != minted.digest


def test_what_is_kept_does_not_give_the_key_away() -> None:
    minted = MINT.mint()
    assert minted.hint == minted.key[-4:]
    assert minted.key[len(PREFIX) :] not in minted.digest
    assert len(minted.digest) == 64
