"""`tollhouse providers keys`."""

import pytest

PROVIDER = ("providers", "add", "v", "--format", "openai", "--base-url", "https://api.example.com/v1")


@pytest.fixture
def keyed(tollhouse):
    tollhouse(*PROVIDER, "--api-key-env", "VENDOR_KEY", VENDOR_KEY="sk-planted-one")
    return tollhouse


def names(tollhouse) -> list[str]:
    return [key["name"] for key in tollhouse.json("providers", "keys", "list", "v")]


def secrets(tollhouse) -> list[str]:
    services = tollhouse.services()
    found = [services.provider_keys.credential_of("v", name) for name in names(tollhouse)]
    services.close()
    return found


def test_a_key_is_added_beside_the_one_that_is_there_and_named_after_its_variable(keyed) -> None:
    result = keyed("providers", "keys", "add", "v", "--api-key-env", "VENDOR_KEY_2", VENDOR_KEY_2="sk-planted-two")
    assert "the key vendor-key-2, too" in result.stdout
    made = keyed.json(
        "providers", "keys", "add", "v", "--name", "three", "--api-key-env", "OTHER", OTHER="sk-planted-3"
    )
    assert (made["provider"], made["name"], set(made)) == ("v", "three", {"provider", "name", "created_at"})
    assert names(keyed) == ["default", "vendor-key-2", "three"]
    assert secrets(keyed) == ["sk-planted-one", "sk-planted-two", "sk-planted-3"]
    shown = keyed("providers", "keys", "list", "v").stdout
    assert "vendor-key-2" in shown
    assert "planted" not in result.output + shown
    assert b"sk-planted" not in (keyed.home / "tollhouse.db").read_bytes()
    assert keyed.json("providers", "list")[0]["has_key"] is True


def test_a_key_is_renewed_and_removed_and_the_default_one_goes_last(keyed) -> None:
    keyed("providers", "keys", "add", "v", "--name", "two", "--api-key-env", "K", K="sk-two")
    keyed("providers", "keys", "renew", "v", "two", "--api-key-env", "K", K="sk-new-two")
    keyed("providers", "keys", "renew", "v", "default", "--api-key-env", "K", K="sk-new-one")
    assert secrets(keyed) == ["sk-new-one", "sk-new-two"]
    assert "remove those first" in keyed.error("providers", "keys", "remove", "v", "default")
    assert keyed.json("providers", "keys", "remove", "v", "two") == {"provider": "v", "name": "two", "removed": True}
    keyed("providers", "keys", "remove", "v", "default")
    assert names(keyed) == []
    assert "--name default" in keyed("providers", "keys", "list", "v").stdout
    actions = [entry["action"] for entry in keyed.json("audit")]
    assert [action.rpartition(".")[2] for action in actions if ".keys." in action] == [
        "remove", "remove", "renew", "renew", "add",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("add", "nope", "--api-key-env", "K"), 1, "tollhouse providers list"),
        (("add", "v", "--name", "default", "--api-key-env", "K"), 1, "already"),
        (("add", "v", "--name", "a/b", "--api-key-env", "K"), 2, "name: it may have no /"),
        (("add", "v", "--name", "x" * 61, "--api-key-env", "K"), 2, "name: it is longer than 60"),
        (("add", "v", "--api-key-env", "sk-planted"), 2, "never a key itself"),
        (("add", "v", "--api-key-env", "NOT_SET"), 2, "the variable NOT_SET is not set"),
        (("add", "v", "--api-key-env", "ODD"), 2, "credential: it may have printable ASCII characters only"),
        (("renew", "v", "nope", "--api-key-env", "K"), 1, "tollhouse providers keys list"),
        (("remove", "v", "nope"), 1, "tollhouse providers keys list"),
        (("list", "nope"), 1, "tollhouse providers list"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence_and_changes_nothing(keyed, arguments, status, sentence) -> None:
    told = keyed.error("providers", "keys", *arguments, status=status, K="sk-two", ODD="schlüssel")
    assert sentence in told
    assert "sk-planted" not in told
    assert secrets(keyed) == ["sk-planted-one"]


def test_a_provider_without_a_key_gets_its_own_first(tollhouse) -> None:
    tollhouse(*PROVIDER)
    told = tollhouse.error("providers", "keys", "add", "v", "--api-key-env", "K", K="sk-one")
    assert "add that first, under the name 'default'" in told
    tollhouse("providers", "keys", "add", "v", "--name", "default", "--api-key-env", "K", K="sk-one")
    assert secrets(tollhouse) == ["sk-one"]


def test_a_provider_takes_its_keys_with_it(keyed) -> None:
    keyed("providers", "keys", "add", "v", "--name", "two", "--api-key-env", "K", K="sk-two")
    keyed("providers", "remove", "v")
    keyed(*PROVIDER, "--api-key-env", "K", K="sk-again")
    assert secrets(keyed) == ["sk-again"]
