from datetime import UTC, datetime

import click
import pytest

from tollhouse.cli.parameters import MOMENT, USD


@pytest.mark.parametrize("text", ["", "x", "-1", "1e400", "nan", "0.0000000001", "1,5", "$3"])
def test_what_is_no_amount_is_wrong_usage(text: str) -> None:
    with pytest.raises(click.BadParameter):
        USD.convert(text, None, None)


def test_an_amount_becomes_nano_dollars() -> None:
    assert USD.convert("0.15", None, None) == 150_000_000


def test_a_moment_keeps_its_offset_or_its_lack_of_one() -> None:
    assert MOMENT.convert("2026-05-01T12:00Z", None, None) == datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert MOMENT.convert("2026-05-01", None, None).tzinfo is None


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01", "0001-01-01", "9999-12-31T23:59"])
def test_what_is_no_moment_is_wrong_usage(text: str) -> None:
    with pytest.raises(click.BadParameter):
        MOMENT.convert(text, None, None)
