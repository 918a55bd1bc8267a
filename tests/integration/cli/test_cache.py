"""`tollhouse models cache`, and what of the cache the command line shows."""

import pytest


@pytest.fixture
def model(tollhouse):
    tollhouse("providers", "add", "tests", "--format", "echo", "--base-url", "echo:")
    tollhouse("models", "add", "m", "--provider", "tests", "--upstream-model", "echo")
    return tollhouse


def test_a_model_keeps_replies_for_as_long_as_it_is_told_to(model) -> None:
    assert model.json("models", "cache", "m") == {"name": "m", "cache_seconds": None}
    assert "where a call asks for it" in model("models", "cache", "m").stdout
    assert model.json("models", "cache", "m", "600") == {"name": "m", "cache_seconds": 600}
    assert "kept for 600 s" in model("models", "cache", "m").stdout
    assert "never kept" in model("models", "cache", "m", "0").stdout
    assert model.json("models", "cache", "m") == {"name": "m", "cache_seconds": 0}
    assert model.json("models", "cache", "m", "default") == {"name": "m", "cache_seconds": None}


def test_a_model_is_added_with_a_time_and_it_is_in_the_file_of_the_set_up(model) -> None:
    model("models", "add", "kept", "--provider", "tests", "--upstream-model", "echo", "--cache-seconds", "60")
    assert model.json("models", "cache", "kept")["cache_seconds"] == 60
    exported = model.json("export")["models"]
    assert exported["kept"]["cache_seconds"] == 60
    assert "cache_seconds" not in exported["m"]


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("nope",), 1, "tollhouse models list"),
        (("nope", "60"), 1, "tollhouse models list"),
        (("m", "soon"), 2, "soon"),
        (("m", "99999999999"), 2, "cache_seconds"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence_and_changes_nothing(model, arguments, status, sentence) -> None:
    assert sentence in model.error("models", "cache", *arguments, status=status)
    assert model.json("models", "cache", "m")["cache_seconds"] is None


def test_less_than_no_time_is_refused(model) -> None:
    assert "cache_seconds" in model.error("models", "cache", "m", "--", "-1", status=2)
