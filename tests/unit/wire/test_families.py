"""What a model takes, by the names that hosts have for it."""

import pytest

from tollhouse.wire.families import UNKNOWN, family_of, takes_breakpoints


@pytest.mark.parametrize(
    ("model", "thinking", "rest", "highest", "sampling", "forced"),
    [
        ("claude-fable-5-2", "adaptive", "", "max", 0, False),
        ("claude-mythos-preview", "adaptive", "", "max", 0, True),
        ("claude-opus-5-5", "adaptive", "", "max", 0, False),
        ("claude-sonnet-5-5", "adaptive", "between_tools", "max", 0, False),
        ("claude-haiku-5-5", "adaptive", "disabled", "max", 0, True),
        ("claude-sonnet-5", "adaptive", "disabled", "max", 0, True),
        ("claude-opus-4-8", "adaptive", "disabled", "max", 0, True),
        ("anthropic/claude-opus-4.7", "adaptive", "disabled", "max", 0, True),
        ("us.anthropic.claude-opus-4-6-v1", "adaptive", "disabled", "max", 1, True),
        ("claude-4.6-sonnet", "adaptive", "disabled", "max", 1, True),
        ("claude-opus-4-5-20251101", "enabled", "disabled", "high", 1, True),
        ("claude-sonnet-4-5-20250929", "enabled", "disabled", "", 1, True),
        ("claude-sonnet-4@20250514", "enabled", "disabled", "", 2, True),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", "enabled", "disabled", "", 2, True),
        ("claude-3-5-haiku-20241022", "", "disabled", "", 2, True),
        ("anthropic.claude-3-haiku-20240307-v1:0", "", "disabled", "", 2, True),
    ],
)
def test_a_model_of_claude_is_of_its_family_under_any_name(
    model: str, thinking: str, rest: str, highest: str, sampling: int, forced: bool
) -> None:
    family = family_of(model)
    assert (family.thinking, family.rest, family.sampling, family.forced) == (thinking, rest, sampling, forced)
    assert (family.efforts[-1] if family.efforts else "") == highest


@pytest.mark.parametrize("model", ["deepseek-chat", "claude", "claude-opus-latest", "gpt-5", "", "kimi-k2.5"])
def test_a_model_that_tells_no_version_is_none_that_is_known(model: str) -> None:
    assert family_of(model) is UNKNOWN


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("gpt-5.6", True),
        ("gpt-5.6-mini", True),
        ("openai/gpt-6", True),
        ("gpt-5.5", False),
        ("gpt-5", False),
        ("gpt-5-2025-08-07", False),
        ("gpt-4o", False),
        ("gpt-4.1", False),
        ("gpt-oss-120b", False),
        ("o3", False),
    ],
)
def test_breakpoints_are_for_the_models_that_have_them(model: str, takes: bool) -> None:
    assert takes_breakpoints(model) is takes
