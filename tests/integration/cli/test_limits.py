import pytest


@pytest.fixture
def key(tollhouse) -> str:
    return str(tollhouse.json("keys", "create", "--name", "x")["id"])


def test_a_limit_is_set_changed_listed_and_removed(tollhouse, key: str) -> None:
    made = tollhouse.json("limits", "set", "--key", key, "--rpm", "60", "--concurrency", "5")
    assert (made["key"], made["rpm"], made["tpm"], made["concurrency"]) == (key, 60, None, 5)
    changed = tollhouse.json("limits", "set", "--key", key, "--tpm", "1000", "--rpm", "off")
    assert (changed["id"], changed["rpm"], changed["tpm"], changed["concurrency"]) == (made["id"], None, 1000, 5)
    assert tollhouse.json("limits", "list") == [changed]
    assert f"key {key}" in tollhouse("limits", "list").stdout
    assert tollhouse.json("limits", "remove", made["id"]) == {"id": made["id"], "removed": True}
    assert tollhouse.json("limits", "list") == []


def test_people_read_what_a_limit_allows(tollhouse) -> None:
    told = tollhouse("limits", "set", "--organisation", "--rpm", "60", "--tpm", "1000").stdout
    assert "organisation all 60 requests a minute, 1000 tokens a minute" in told


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("--organisation",), 2, "at least one of"),
        (("--rpm", "5"), 2, "Say what it is for"),
        (("--organisation", "--model", "m", "--rpm", "5"), 2, "Say what it is for"),
        (("--organisation", "--rpm", "0"), 2, "from 1 up"),
        (("--organisation", "--rpm", "many"), 2, "from 1 up"),
        (("--organisation", "--rpm", "off"), 2, "Nothing would be limited"),
        (("--key", "key_nope", "--rpm", "5"), 1, "tollhouse keys list"),
        (("--model", "nope", "--rpm", "5"), 1, "tollhouse models list"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(tollhouse, arguments: tuple[str, ...], status: int, sentence: str) -> None:
    assert sentence in tollhouse.error("limits", "set", *arguments, status=status)


def test_a_limit_that_is_not_there_cannot_be_removed(tollhouse) -> None:
    assert "tollhouse limits list" in tollhouse.error("limits", "remove", "lim_nope")
