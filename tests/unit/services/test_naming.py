"""What a name may be."""

import pytest

from tollhouse.domain.errors import InvalidField
from tollhouse.services.naming import check_name, check_slug


def test_a_name_may_be_in_any_script_and_loses_the_space_around_it() -> None:
    assert check_name("  Überprüfung 数据 🙂 ", "name") == "Überprüfung 数据 🙂"


@pytest.mark.parametrize("name", ["a\x00b", "a\nb", "a\x1b[31mb", "a\u202eb", "a\u2028b", "a\ud800b", "a\x7fb"])
def test_a_name_has_no_control_characters(name: str) -> None:
    with pytest.raises(InvalidField, match="control characters") as raised:
        check_name(name, "name")
    assert raised.value.param == "name"


@pytest.mark.parametrize("name", ["", "   ", "\t\n"])
def test_a_name_is_not_empty(name: str) -> None:
    with pytest.raises(InvalidField, match="empty"):
        check_name(name, "name")


def test_a_name_is_as_long_as_it_may_be_and_no_longer() -> None:
    assert check_name("x" * 200, "name") == "x" * 200
    with pytest.raises(InvalidField, match="longer than 200"):
        check_name("x" * 201, "name")


@pytest.mark.parametrize("name", ["gpt-4o-mini", "openai/gpt-4o", "claude@2026", "a+b:c.d_e", "4o"])
def test_a_slug_has_what_model_names_have(name: str) -> None:
    assert check_slug(name, "name") == name


@pytest.mark.parametrize("name", ["a b", "-a", "/a", "modèle", "a?b", "a'b", "<b>", "a%00"])
def test_a_slug_has_nothing_that_a_program_would_have_to_quote(name: str) -> None:
    with pytest.raises(InvalidField, match="letters, digits"):
        check_slug(name, "name")
