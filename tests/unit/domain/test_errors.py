"""What errors say, and which of an upstream's refusals another target may still answer."""

import pytest

from tollhouse.domain.errors import UnknownModel, UpstreamRejected


@pytest.mark.parametrize(
    ("status", "elsewhere"),
    [(400, False), (401, False), (404, False), (408, True), (409, True), (429, True), (500, True), (529, True)],
)
def test_only_a_status_that_may_be_otherwise_elsewhere_is_tried_elsewhere(status: int, elsewhere: bool) -> None:
    assert UpstreamRejected("x", status=status).may_fail_over is elsewhere


def test_an_unknown_model_says_what_is_near_or_where_to_look() -> None:
    assert UnknownModel("gpt", ["gpt-4o", "gpt-5"]).message.endswith("Did you mean 'gpt-4o', 'gpt-5'?")
    assert "GET /v1/models" in UnknownModel("gpt", []).message


def test_a_long_name_is_not_quoted_whole() -> None:
    assert len(UnknownModel("x" * 10_000, []).message) < 250
