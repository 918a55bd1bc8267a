"""Secrets at rest."""

import pytest

from tollhouse.domain.errors import InvalidSetting
from tollhouse.store.vault import FernetVault

VAULT = FernetVault("a secret for tests that is long enough")


@pytest.mark.parametrize("secret", ["", "sk-upstream", "ünï 🔑", "x" * 5000], ids=["empty", "plain", "unicode", "long"])
def test_what_was_sealed_is_unsealed(secret: str) -> None:
    sealed = VAULT.seal(secret)
    assert secret == "" or secret not in sealed
    assert FernetVault("a secret for tests that is long enough").unseal(sealed) == secret


def test_a_secret_is_sealed_differently_each_time() -> None:
    assert VAULT.seal("sk-upstream") != VAULT.seal("sk-upstream")


def test_another_key_unseals_nothing_and_the_error_says_which_to_set() -> None:
    with pytest.raises(InvalidSetting, match="set that one") as raised:
        FernetVault("another secret that is long enough").unseal(VAULT.seal("sk-upstream"))
    assert raised.value.param == "TOLLHOUSE_SECRET_KEY"


def test_what_was_changed_is_not_unsealed() -> None:
    sealed = VAULT.seal("sk-upstream")
    for changed in (sealed[:-6] + "AAAAA=", sealed[: len(sealed) // 2], "", "sk-upstream", "ünï"):
        with pytest.raises(InvalidSetting):
            VAULT.unseal(changed)
