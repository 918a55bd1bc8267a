"""What may be tried again: the table."""

import pytest

from tollhouse.domain.errors import (
    DeploymentFull,
    DeploymentResting,
    UpstreamError,
    UpstreamGone,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamRejected,
    UpstreamTimeout,
)
from tollhouse.domain.retries import again, special


@pytest.mark.parametrize(
    ("status", "here", "elsewhere", "breaks"),
    [
        (400, False, False, False),
        (404, False, False, False),
        (413, False, False, False),
        (422, False, False, False),
        (401, False, True, False),
        (403, False, True, False),
        (408, True, True, False),
        (409, True, True, False),
        (429, True, True, False),
        (500, True, True, True),
        (501, False, True, False),
        (502, True, True, True),
        (503, True, True, True),
        (520, True, True, True),
        (529, True, True, True),
    ],
)
def test_what_a_status_allows(status: int, here: bool, elsewhere: bool, breaks: bool) -> None:
    found = again(UpstreamRejected("x", status=status))
    assert (found.here, found.elsewhere, found.breaks) == (here, elsewhere, breaks)


@pytest.mark.parametrize(
    ("error", "here", "breaks"),
    [
        (UpstreamRefused("x"), True, True),
        (UpstreamGone("x"), True, True),
        (UpstreamTimeout("x"), False, True),
        (UpstreamInvalid("x"), False, True),
        (DeploymentFull("x"), True, False),
        (DeploymentResting("x"), False, False),
    ],
)
def test_all_that_breaks_before_the_first_byte_may_go_elsewhere(error: UpstreamError, here: bool, breaks: bool) -> None:
    found = again(error)
    assert (found.here, found.elsewhere, found.breaks) == (here, True, breaks)


def test_an_error_that_nobody_thought_of_is_not_tried_again() -> None:
    assert not again(UpstreamError("x")).elsewhere


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (400, "context_length_exceeded", "", "too_long"),
        (400, "", "prompt is too long: 210000 tokens > 200000 maximum", "too_long"),
        (413, "", "This model's maximum context length is 8192 tokens.", "too_long"),
        (400, "content_filter", "", "refused"),
        (400, "content_policy_violation", "", "refused"),
        (400, "", "The response was filtered due to Azure OpenAI's content management policy.", "refused"),
        (400, "invalid_value", "temperature: it must be lower", None),
        (500, "context_length_exceeded", "", None),
        (429, "", "prompt is too long", None),
    ],
)
def test_a_refusal_that_another_model_may_not_share_is_known(
    status: int, code: str, message: str, kind: str | None
) -> None:
    assert special(status, code, message) == kind
