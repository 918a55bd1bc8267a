import json

import pytest

from tollhouse.services.models.providers import host_of
from tollhouse.store.records import ProviderRecord


@pytest.fixture
def echo(tollhouse):
    tollhouse("providers", "add", "tests", "--format", "echo", "--base-url", "echo:")
    return tollhouse


def credential(tollhouse, name: str) -> str | None:
    services = tollhouse.services()
    with services.database.read() as session:
        row = session.query(ProviderRecord).filter_by(name=name).one()
    found = host_of(row, services._vault).credential
    services.close()
    return found


def test_a_provider_is_added_and_listed(tollhouse) -> None:
    added = tollhouse.json("providers", "add", "tests", "--format", "echo", "--base-url", "echo:?delay_ms=1")
    assert tollhouse.json("providers", "list") == [added]
    assert added["format"] == "echo"
    assert added["base_url"] == "echo:?delay_ms=1"
    assert added["has_key"] is False


@pytest.mark.parametrize("source", ["environment", "dotenv"])
def test_a_providers_key_comes_from_a_variable_and_is_stored_sealed(tollhouse, tmp_path, source: str) -> None:
    environment = {}
    if source == "environment":
        environment["VENDOR_KEY"] = "the-vendors-key"
    else:
        (tmp_path / ".env").write_text("VENDOR_KEY=the-vendors-key\n")
    arguments = ("add", "v", "--format", "openai", "--base-url", "https://api.example.com/v1", "--api-key-env")
    result = tollhouse("providers", *arguments, "VENDOR_KEY", "--json", **environment)
    assert json.loads(result.stdout)["has_key"] is True
    assert "the-vendors-key" not in result.output
    assert "the-vendors-key" not in tollhouse("providers", "list", "--json").output
    assert b"the-vendors-key" not in (tollhouse.home / "tollhouse.db").read_bytes()
    assert credential(tollhouse, "v") == "the-vendors-key"


def test_a_variable_that_is_not_set_is_named(tollhouse) -> None:
    sentence = tollhouse.error(
        "providers", "add", "v", "--format", "openai", "--base-url", "https://api.example.com/v1",
        "--api-key-env", "VENDOR_KEY", status=2,
    )  # fmt: skip
    assert "the variable VENDOR_KEY is not set" in sentence


def test_a_key_given_in_place_of_a_variable_is_not_repeated(tollhouse) -> None:
    sentence = tollhouse.error(
        "providers", "add", "v", "--format", "openai", "--base-url", "https://api.example.com/v1",
        "--api-key-env", "sk-secret", status=2,
    )  # fmt: skip
    assert "never a key itself" in sentence
    assert "sk-secret" not in sentence


def test_a_private_address_must_be_meant(tollhouse) -> None:
    arguments = ("providers", "add", "v", "--format", "openai", "--base-url", "http://127.0.0.1:9/v1")
    assert "--allow-private" in tollhouse.error(*arguments, status=2)
    assert tollhouse.json(*arguments, "--allow-private")["allow_private"] is True


def test_a_name_that_is_taken_is_work_that_failed(echo) -> None:
    sentence = echo.error("providers", "add", "tests", "--format", "echo", "--base-url", "echo:")
    assert "choose another name" in sentence


def test_a_check_says_which_provider_does_not_answer(echo) -> None:
    (good,) = echo.json("providers", "check")
    assert good["ok"] is True
    assert good["models"]
    echo("providers", "add", "gone", "--format", "openai", "--base-url", "http://127.0.0.1:9/v1", "--allow-private")
    bad, good = echo.json("providers", "check", status=1)
    assert (bad["name"], bad["ok"], good["ok"]) == ("gone", False, True)
    assert bad["problem"]
    assert bad["problem"] in echo("providers", "check", "gone", status=1).stdout
    echo("providers", "check", "tests")
    assert "tollhouse providers list" in echo.error("providers", "check", "nope")


def test_a_model_has_prices_in_dollars_per_million_tokens(echo) -> None:
    added = echo.json(
        "models", "add", "fine", "--provider", "tests", "--upstream-model", "echo", "--input-price", "0.15",
        "--output-price", "2.5", "--context-window", "1000", "--max-output", "100",
    )  # fmt: skip
    assert (added["input_usd_per_mtok"], added["output_usd_per_mtok"]) == ("0.15", "2.5")
    assert (added["context_window"], added["max_output"]) == (1000, 100)
    services = echo.services()
    (model,) = services.models.all()
    services.close()
    assert (model.input_price, model.output_price) == (150_000_000, 2_500_000_000)
    assert echo.json("models", "list") == [added]


def test_a_model_without_prices_has_the_published_ones(echo) -> None:
    added = echo.json("models", "add", "plain", "--provider", "tests")
    assert added["input_usd_per_mtok"] is None
    assert added["upstream_model"] == "plain"
    assert "published" in echo("models", "list").stdout


def test_fallbacks_keep_their_order(echo) -> None:
    for name in ("b", "a"):
        echo("models", "add", name, "--provider", "tests")
    added = echo.json("models", "add", "c", "--provider", "tests", "--fallback", "b", "--fallback", "a")
    assert added["fallbacks"] == ["b", "a"]


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("m", "--provider", "nope"), 1, "tollhouse providers list"),
        (("m", "--provider", "tests", "--input-price", "1"), 2, "give both prices"),
        (("m", "--provider", "tests", "--input-price", "-1", "--output-price", "1"), 2, "from 0 up"),
        (("m", "--provider", "tests", "--max-output", "0"), 2, "max-output"),
        (("m", "--provider", "tests", "--fallback", "nope"), 2, "no other model"),
        (("m m", "--provider", "tests"), 2, "letters, digits"),
    ],
)
def test_a_model_that_cannot_be_is_refused(echo, arguments: tuple[str, ...], status: int, sentence: str) -> None:
    assert sentence in echo.error("models", "add", *arguments, status=status)
    assert echo.json("models", "list") == []


def test_what_was_done_in_the_shell_is_told_as_the_shells(echo) -> None:
    echo("models", "add", "m", "--provider", "tests", "--input-price", "0.15", "--output-price", "2")
    budget = echo.json("budgets", "set", "--model", "m", "--usd", "5", "--period", "day")["id"]
    echo("budgets", "set", "--model", "m", "--usd", "6", "--period", "day")
    echo("budgets", "retire", budget)
    limit = echo.json("limits", "set", "--model", "m", "--rpm", "5")["id"]
    echo("limits", "remove", limit)
    told = [
        (entry["action"], entry["actor_kind"])
        for kind in ("providers", "models", "budgets", "limits")
        for entry in reversed(echo.json("audit", "--action", kind))
    ]
    assert told == [
        (action, "shell")
        for action in (
            "providers.create",
            "models.create",
            "budgets.create",
            "budgets.change",
            "budgets.retire",
            "limits.create",
            "limits.remove",
        )
    ]


def test_models_and_then_their_provider_are_removed_with_all_that_is_said_of_them(echo) -> None:
    echo("models", "add", "small", "--provider", "tests")
    echo("models", "add", "large", "--provider", "tests", "--fallback", "small")
    echo("models", "deploy", "small", "--provider", "tests", "--upstream-model", "other")
    echo("models", "prices", "small", "--cached-input-price", "0.1")
    assert "'large' falls back on 'small'" in echo.error("models", "remove", "small", status=1)
    assert "remove that first" in echo.error("providers", "remove", "tests", status=1)
    for name in ("large", "small"):
        assert echo.json("models", "remove", name) == {"name": name, "removed": True}
    echo("models", "add", "small", "--provider", "tests")
    assert echo.json("models", "deployments", "small") == []
    assert echo.json("models", "prices", "small")["cached_input_usd_per_mtok"] is None
    echo("models", "remove", "small")
    assert echo.json("providers", "remove", "tests") == {"name": "tests", "removed": True}
    assert echo.json("providers", "list") == []
    actions = [entry["action"] for entry in echo.json("audit")]
    assert (actions[0], actions.count("models.remove")) == ("providers.remove", 3)
    assert "There is no" in echo.error("models", "remove", "small", status=1)
