import pytest

from tollhouse.traces.context import LONGEST_STATE, Context, read_parent, read_state

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize("flags", ["01", "03", "ff"])
def test_a_parent_that_is_sampled_is_read(flags: str) -> None:
    assert read_parent(f" 00-{TRACE}-{SPAN}-{flags} ") == Context(TRACE, SPAN, True)


def test_a_parent_that_is_not_sampled_says_so() -> None:
    assert read_parent(f"00-{TRACE}-{SPAN}-00") == Context(TRACE, SPAN, False)


def test_a_later_version_may_say_more_at_its_end() -> None:
    assert read_parent(f"cc-{TRACE}-{SPAN}-01-what-else") == Context(TRACE, SPAN, True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01\n00",
    ],
)
def test_what_is_no_parent_is_none(text: str) -> None:
    assert read_parent(text) is None


def test_the_state_of_other_vendors_is_passed_on_as_it_is() -> None:
    assert read_state("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE") == "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"


@pytest.mark.parametrize("text", [None, "", "x" * (LONGEST_STATE + 1), "a=\x00", "a=\u00e9", "a=b\r\nset-cookie: c"])
def test_a_state_that_could_do_harm_is_left_out(text: str | None) -> None:
    assert read_state(text) == ""
