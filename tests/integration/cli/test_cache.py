"""`tollhouse models cache`, and what of the cache the command line shows."""

import pytest

EXACT = {"cache_embedding_model": None, "cache_similarity": None}


@pytest.fixture
def model(tollhouse):
    tollhouse("providers", "add", "tests", "--format", "echo", "--base-url", "echo:")
    tollhouse("models", "add", "m", "--provider", "tests", "--upstream-model", "echo")
    return tollhouse


def test_a_model_keeps_replies_for_as_long_as_it_is_told_to(model) -> None:
    assert model.json("models", "cache", "m") == {"name": "m", "cache_seconds": None, **EXACT}
    assert "where a call asks for it" in model("models", "cache", "m").stdout
    assert model.json("models", "cache", "m", "600") == {"name": "m", "cache_seconds": 600, **EXACT}
    assert "kept for 600 s" in model("models", "cache", "m").stdout
    assert "never kept" in model("models", "cache", "m", "0").stdout
    assert model.json("models", "cache", "m") == {"name": "m", "cache_seconds": 0, **EXACT}
    assert model.json("models", "cache", "m", "default") == {"name": "m", "cache_seconds": None, **EXACT}


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


@pytest.fixture
def vectors(model):
    model("models", "add", "vectors", "--provider", "tests", "--upstream-model", "echo")
    return model


def test_similar_questions_are_found_where_a_model_says_by_which_vectors(vectors) -> None:
    told = vectors("models", "cache", "m", "60", "--embedding-model", "vectors").stdout
    assert "from 0.95 on, by vectors" in told
    shown = vectors.json("models", "cache", "m", "--similarity", "0.9")
    assert shown == {"name": "m", "cache_seconds": 60, "cache_embedding_model": "vectors", "cache_similarity": 0.9}
    assert vectors.json("models", "list")[0]["cache_similarity"] == 0.9
    assert vectors.json("models", "cache", "m", "--exact") == {"name": "m", "cache_seconds": 60, **EXACT}
    assert "similar" not in vectors("models", "cache", "m").stdout


def test_a_model_is_added_with_what_it_compares_by(vectors) -> None:
    given = ("--cache-embedding-model", "vectors", "--cache-similarity", "0.8")
    vectors("models", "add", "alike", "--provider", "tests", "--upstream-model", "echo", *given)
    exported = vectors.json("export")["models"]
    assert (exported["alike"]["cache_embedding_model"], exported["alike"]["cache_similarity"]) == ("vectors", "0.8")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--embedding-model", "nope"), "cache_embedding_model"),
        (("--embedding-model", "m"), "cache_embedding_model"),
        (("--similarity", "0.9"), "cache_similarity"),
        (("--embedding-model", "vectors", "--similarity", "1.1"), "cache_similarity"),
        (("--embedding-model", "vectors", "--similarity", "0"), "cache_similarity"),
        (("--embedding-model", "vectors", "--exact"), "--exact"),
    ],
)
def test_what_cannot_be_compared_is_refused_and_changes_nothing(vectors, arguments, sentence) -> None:
    assert sentence in vectors.error("models", "cache", "m", *arguments, status=2)
    assert vectors.json("models", "cache", "m") == {"name": "m", "cache_seconds": None, **EXACT}


def test_a_model_that_others_compare_by_stays(vectors) -> None:
    vectors("models", "cache", "m", "--embedding-model", "vectors")
    assert "'m'" in vectors.error("models", "remove", "vectors", status=1)
    vectors("models", "cache", "m", "--exact")
    vectors("models", "remove", "vectors")
