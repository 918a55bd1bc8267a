import pytest

from tollhouse.cli.text import columns, cut, harmless, printable


@pytest.mark.parametrize("steering", ["\x1b[31m", "\x9b2J", "\r", "\n", "\x07", "\u202e", "\u2028", "\ud800", "\x00"])
def test_no_character_that_steers_a_terminal_is_printed_as_it_is(steering: str) -> None:
    shown = printable(f"a{steering}b")
    assert steering[0] not in shown
    assert shown.startswith("a\\")
    assert shown.isprintable()


def test_names_in_any_script_are_printed_as_they_are() -> None:
    assert printable("Grüße an 東京 😀") == "Grüße an 東京 😀"


def test_an_answer_keeps_its_lines_and_loses_what_steers_a_terminal() -> None:
    assert harmless("one\n\ttwo\x1b]0;title\x07\r\x9b2J") == "one\n\ttwo]0;title2J"


def test_wide_characters_take_two_columns_and_combining_ones_none() -> None:
    assert columns("東京") == 4
    assert columns("e\u0301") == 1


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [("short", 5, "short"), ("longer", 5, "long…"), ("東京都", 5, "東京…"), ("東京都", 4, "東…")],
)
def test_a_text_is_cut_to_its_columns(text: str, most: int, expected: str) -> None:
    assert cut(text, most) == expected
    assert columns(cut(text, most)) <= most
