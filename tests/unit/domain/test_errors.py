"""What errors say."""

from tollhouse.domain.errors import UnknownModel


def test_an_unknown_model_says_what_is_near_or_where_to_look() -> None:
    assert UnknownModel("gpt", ["gpt-4o", "gpt-5"]).message.endswith("Did you mean 'gpt-4o', 'gpt-5'?")
    assert "GET /v1/models" in UnknownModel("gpt", []).message


def test_a_long_name_is_not_quoted_whole() -> None:
    assert len(UnknownModel("x" * 10_000, []).message) < 250
